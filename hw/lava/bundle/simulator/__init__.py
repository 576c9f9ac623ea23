"""Simulation of the network in Lava; `run.py` is its command line."""
