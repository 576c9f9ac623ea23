"""`python -m benchmarks`: list the benchmarks and the command that runs each."""

import typer

QUESTIONS = {
    "mnist_float_integer": "float against integer on MNIST test images: R2, spikes, energy, time",
    "operating_points": "R2 against operations and energy: networks, int8 encoders, PCA, LCA",
    "operating_points.patches": "the same on natural patches",
    "operating_points.sanafe_check": "energy and latency beside the simulator SANA-FE",
    "energy": "energy proxies: chips, processors, and encoders of equal R2",
    "engine": "what a step of inference costs: integers, float PyTorch, ONNX Runtime; its parts",
    "fidelity": "integers against float: bits, steps, sparsity, out-of-distribution images, speed",
    "training_speed": "training by the plain formulation against ours: seconds, loss, memory",
    "siblings": "seconds per iteration of the Gaussian siblings beside the iP-VAE",
    "training_speed.convolutional": "seconds and memory of training with convolutional kernels",
    "training_options": "relaxations and one or two samples: loss after equal iterations and time",
    "recipe mnist-512": "train by a recipe (or vanhateren-512, digits), evaluate, write the card",
    "lava_faults": "faults of every kind in Lava runs: message, kept images, remains, seconds",
    "lava_throughput": "time steps per second in Lava against a stock LIF - Dense - LIF network",
    "sparsity_blocks": "weights removed in blocks: R2, operations and messages to cores",
    "quantise_aware": "does quantisation-aware fine-tuning help conversion to 4 and 3 bits?",
    "mapping": "networks onto chips: cores and their proven bound, seconds, memory",
    "patch_statistics": "patches by the ways to whiten them: kurtosis, contrast, spectrum",
    "decoders": "nonlinear decoders beside the linear one: R2, seconds per iteration",
    "paper.linear_optimum": "the best linear Gaussian VAE on our patches, beside the published one",
    "paper.together": "the networks of the paper's figures, many at once on a GPU",
    "photographs": "networks of photographs: quality, seconds, and Gabor-like elements",
    "graphs": "read-outs, drifting images, LCA and convolutions: integers beside floats",
    "streaming": "a million images through `ipvae-snn run`: memory, time left, a kill",
    "paper": "the paper's figures, ours beside the published ones: all models, over beta and T",
    "beta_sweep": "reconstruction against sparsity on patches, with published points",
}


def main() -> None:
    """Print the benchmarks and their commands."""
    for name, question in QUESTIONS.items():
        typer.echo(f"python -m benchmarks.{name}  # {question}")


if __name__ == "__main__":
    main()
