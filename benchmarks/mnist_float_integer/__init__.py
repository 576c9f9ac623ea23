"""Float against integer on MNIST test images: R2, zeros, spikes, operations, energy, time."""
