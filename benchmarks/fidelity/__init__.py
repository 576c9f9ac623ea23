"""Integers against float: bits, steps, circuits, sparsity, out-of-distribution images, speed."""
