"""Chips: limits, energy figures with their sources, and Lava."""
