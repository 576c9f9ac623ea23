"""Sizes of a picture of the mesh, in tiles and inches."""

from typing import Final

from ipvae_snn.hw.mapping.mesh import Mesh

GAP: Final = 1  # tiles between chips


def width(mesh: Mesh) -> int:
    """Return the width of all chips and the gaps between them, in tiles."""
    return mesh.chips * (mesh.columns + GAP) - GAP


def scale(mesh: Mesh) -> float:
    """Return the side of a tile in inches."""
    return min(0.55, 15.0 / width(mesh))
