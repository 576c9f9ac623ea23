"""ipvae-snn: train an iP-VAE, convert it to integers, run it the same everywhere."""

__version__ = "0.1.0"
