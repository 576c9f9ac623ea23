"""A million images through `ipvae-snn run`: memory, time left, and the way on after a kill."""
