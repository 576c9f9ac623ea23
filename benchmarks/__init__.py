"""Benchmarks: one package per question; every figure in docs/ comes from one of these commands."""
