"""Files: atomic writing, tensors in safetensors, arrays in npz."""
