"""Our network in Lava against a bare stock LIF - Dense - LIF one of its size."""
