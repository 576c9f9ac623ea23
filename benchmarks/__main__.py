"""`python -m benchmarks`: list the benchmarks and the command that runs each."""

import typer

QUESTIONS = {
    "mnist_float_integer": "float against integer on MNIST test images: R2, spikes, energy, time",
    "training_speed": "training by the plain formulation against ours: seconds, loss, memory",
}


def main() -> None:
    """Print what can be measured."""
    for name, question in QUESTIONS.items():
        typer.echo(f"python -m benchmarks.{name}  # {question}")


if __name__ == "__main__":
    main()
