"""Export to ONNX: models of one step and of whole inference, their check, their back ends."""
