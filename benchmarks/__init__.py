"""What is measured: one file a question; every figure in docs/ comes from a command here."""
