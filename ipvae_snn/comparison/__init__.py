"""Comparison of float and integer inference on the same uniforms."""
