"""Whether a network fits a chip, and how: checks, cores, places on the mesh (docs/mapping.md)."""
