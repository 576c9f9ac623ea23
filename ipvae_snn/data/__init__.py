"""Images: embedded data sets, public data sets in files, and the user's own."""

from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.registry import Source, load, names

__all__ = ["ImageSet", "Source", "Split", "load", "names"]
