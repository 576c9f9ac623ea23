"""Training of several networks at once on one CUDA device, as one stack of tensors."""
