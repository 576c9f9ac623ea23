"""Export of a Lava bundle."""
