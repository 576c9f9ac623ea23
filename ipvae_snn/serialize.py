"""Old path of `ipvae_snn.ir.files`, kept for one version."""

from ipvae_snn.ir.files import FORMAT, from_parts, load_network, save_network, to_arrays, to_scalars

__all__ = ["FORMAT", "from_parts", "load_network", "save_network", "to_arrays", "to_scalars"]
