"""Conversion of a float network to integers, with its proofs and its report."""
