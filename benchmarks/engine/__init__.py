"""What a step of inference costs: compiled integers beside float PyTorch and ONNX Runtime."""
