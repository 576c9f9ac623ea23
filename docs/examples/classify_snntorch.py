"""Train a snnTorch read-out on the spike counts of the pretrained `digits` network.

    python docs/examples/classify_snntorch.py

The integer layer sees each 8x8 digit for 32 steps. Its spikes feed a linear layer of leaky neurons,
which is trained through time. It takes some seconds on one core.
"""

import snntorch as snn
import torch
from snntorch import utils
from torch import Tensor

from ipvae_snn import data
from ipvae_snn.frameworks.snntorch_neuron import IterativePoisson

STEPS, EPOCHS, BATCH = 32, 16, 64


def spikes(layer: IterativePoisson, images: data.ImageSet) -> Tensor:
    """Show every image for STEPS steps; return the spike counts (T, N, K)."""
    utils.reset(torch.nn.Sequential(layer))
    pixels = torch.tensor(images.pixels)
    return torch.stack([layer(pixels) for _ in range(STEPS)])


def membranes(readout: torch.nn.Sequential, counts: Tensor) -> Tensor:
    """Return the read-out's membrane potentials (T, N, 10) while `counts` (T, N, K) arrive."""
    utils.reset(readout)
    return torch.stack([readout(step)[1] for step in counts])


def main() -> None:
    """Train on the 1,442 training digits, judge on the 355 others."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # tensors are small: a second thread gains little, and waits if busy
    train, test = data.load("digits", "train"), data.load("digits", "test")
    layer = IterativePoisson.from_pretrained("digits", bits=8, seed=0, init_hidden=True)
    train_counts, test_counts = spikes(layer, train), spikes(layer, test)
    train_labels, test_labels = torch.tensor(train.labels), torch.tensor(test.labels)
    readout = torch.nn.Sequential(
        torch.nn.Linear(train_counts.shape[2], 10),
        snn.Leaky(beta=0.9, init_hidden=True, output=True, reset_mechanism="none"),
    )
    optimiser = torch.optim.Adam(readout.parameters(), lr=1e-2)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(train_labels)).split(BATCH):
            mean = membranes(readout, train_counts[:, rows]).mean(dim=0)
            loss = torch.nn.functional.cross_entropy(mean, train_labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        guesses = membranes(readout, test_counts).mean(dim=0).argmax(dim=1)
    accuracy = (guesses == test_labels).float().mean().item()
    print(f"accuracy {accuracy:.3f} on {len(test_labels)} held-out digits")


if __name__ == "__main__":
    main()
