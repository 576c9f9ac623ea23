"""Files: whole-or-nothing writing, tensors in safetensors, arrays in npz."""
