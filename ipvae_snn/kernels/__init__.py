"""Compiled loops over images: inference in integers and floats, training, rounding."""
