"""Reconstruction against sparsity on whitened patches, with published points."""
