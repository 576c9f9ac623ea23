"""Reconstruction against sparsity on whitened patches, beside published points."""
