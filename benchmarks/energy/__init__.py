"""Energy proxies of one network on MNIST: chips, processors, and encoders of equal R2."""
