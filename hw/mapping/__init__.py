"""Mapping of a network onto a chip: checks, cores, places on the mesh (docs/mapping.md)."""
