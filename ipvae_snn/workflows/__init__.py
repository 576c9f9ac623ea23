"""Workflows that the command line, notebooks and benchmarks call."""
