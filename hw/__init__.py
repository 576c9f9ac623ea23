"""Chips: limits, energy figures with their sources, mapping, and Lava's simulator."""
