"""Effect of quantisation-aware fine-tuning: integer R2 before and after, at few bits."""
