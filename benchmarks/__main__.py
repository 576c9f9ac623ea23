"""`python -m benchmarks`: list the benchmarks and the command that runs each."""

import typer

QUESTIONS = {
    "mnist_float_integer": "float against integer on MNIST test images: R2, spikes, energy, time",
    "energy": "energy proxies: chips, processors, and encoders of equal R2",
    "fidelity": "integers against float: bits, steps, circuits, sparsity, strange images, speed",
    "training_speed": "training by the plain formulation against ours: seconds, loss, memory",
    "recipe mnist-512": "train by a recipe (or vanhateren-512, digits), judge it, write its card",
    "lava_faults": "faults of every kind in Lava runs: is the cause named, what is left, how soon",
    "lava_throughput": "time steps a second in Lava against a bare stock LIF - Dense - LIF network",
    "quantise_aware": "does quantisation-aware fine-tuning help conversion to 4 and 3 bits?",
    "mapping": "networks onto chips: cores beside the proven bound, seconds, memory",
    "beta_sweep": "reconstruction against sparsity on patches, beside published points",
}


def main() -> None:
    """Print what can be measured."""
    for name, question in QUESTIONS.items():
        typer.echo(f"python -m benchmarks.{name}  # {question}")


if __name__ == "__main__":
    main()
