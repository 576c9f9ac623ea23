"""Chip profiles: published limits and energies as data, with unit, source and confidence."""
