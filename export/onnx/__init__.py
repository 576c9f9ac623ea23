"""Export to ONNX: step and whole-inference models, their check, their back ends."""
