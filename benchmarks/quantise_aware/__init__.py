"""Does quantisation-aware fine-tuning help? Integer R2 before and after, at few bits."""
