"""Networks and dictionaries of other programs, read without executing code (docs/importing.md)."""
