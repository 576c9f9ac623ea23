"""Integer program (or float network) to ONNX models and to a Lava bundle."""
