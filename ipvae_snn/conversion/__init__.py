"""Conversion of a float network to an integer network, with proofs and a report."""
