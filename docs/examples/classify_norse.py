"""Train a Norse read-out on the spike counts of the pretrained `digits` network.

    python docs/examples/classify_norse.py

The integer cell sees each 8x8 digit for 32 steps. Its spikes feed a linear layer and a leaky
integrator, which are trained through time. Then the whole network runs as one SequentialState.
It takes some seconds on one core.
"""

import norse.torch as norse
import torch

from ipvae_snn import data
from ipvae_snn.frameworks.norse_cell import IterativePoissonCell

STEPS, EPOCHS, BATCH = 32, 16, 64


def main() -> None:
    """Train on the 1,442 training digits, judge on the 355 others."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # tensors are small: a second thread gains little, and waits if busy
    train, test = data.load("digits", "train"), data.load("digits", "test")
    labels, wanted = torch.tensor(train.labels), torch.tensor(test.labels)
    cell = IterativePoissonCell.from_pretrained("digits", bits=8, seed=0)
    # The cell is not trained, so its spikes (T, N, K) are drawn once.
    counts, _ = norse.Lift(cell)(torch.tensor(train.pixels).expand(STEPS, -1, -1))
    linear, integrator = torch.nn.Linear(counts.shape[2], 10), norse.LICell()
    readout = norse.Lift(norse.SequentialState(linear, integrator))
    optimiser = torch.optim.Adam(linear.parameters(), lr=1e-2)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(labels)).split(BATCH):
            voltages, _ = readout(counts[:, rows])
            # The mean, not the sum: with logits 32 times as large each step of Adam overshoots,
            # and what the last step leaves hangs on how sums are rounded.
            loss = torch.nn.functional.cross_entropy(voltages.mean(dim=0), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model = norse.Lift(norse.SequentialState(cell, linear, integrator))
    with torch.no_grad():
        voltages, _ = model(torch.tensor(test.pixels).expand(STEPS, -1, -1))
    accuracy = (voltages.mean(dim=0).argmax(dim=1) == wanted).float().mean().item()
    print(f"accuracy {accuracy:.3f} on {len(wanted)} held-out digits")


if __name__ == "__main__":
    main()
