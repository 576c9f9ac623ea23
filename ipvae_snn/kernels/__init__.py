"""Compiled kernels: inference in integers and floats, training, rounding."""
