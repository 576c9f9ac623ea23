"""Evaluation of a float network: figures with intervals, read-out, generalisation."""
