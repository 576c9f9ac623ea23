"""Picture of a placement: its title and size, and how it is drawn."""

from typing import TYPE_CHECKING

from ipvae_snn.hw.mapping.mapping import Mapping, Placed
from ipvae_snn.hw.mapping.sheet import scale, width
from ipvae_snn.report.document import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture(mapping: Mapping, placed: Placed, name: str) -> Picture:
    """Return the picture of the placement of the network called `name`."""
    mesh = placed.placement.mesh
    grid = f"{mesh.columns} x {mesh.rows} tiles" + (" (assumed)" if mesh.assumed else "")
    hypothetical = "" if mapping.fits else "; HYPOTHETICAL: it does not fit"
    title = (
        f"{name} on {mapping.profile.name}: {placed.placement.partition.cores} cores, "
        f"{grid}{hypothetical}"
    )
    side = scale(mesh)
    size = max(side * width(mesh) + 1.6, 6.0), max(side * mesh.rows + 1.4, 3.0)

    def draw(figure: "Figure") -> object:
        # Imported here, since Matplotlib loads slowly and most maps are not drawn.
        from ipvae_snn.hw.mapping.drawing import placement

        return placement(figure, mapping, placed, title)

    return Picture("placement", title, draw, size)
