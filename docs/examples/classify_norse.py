"""Train a Norse read-out on the spike counts of the pretrained `digits` network.

    python docs/examples/classify_norse.py

The integer cell sees each 8x8 digit for 32 steps. Its spikes feed a linear layer and a leaky
integrator, which are trained through time. Then the whole network runs as one SequentialState.
It takes some seconds on one core.
"""

import norse.torch as norse
import torch

from ipvae_snn import data
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import ConversionSettings, convert
from ipvae_snn.frameworks.norse_cell import IterativePoissonCell
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.pretrained import network_path

STEPS, EPOCHS, BATCH = 32, 16, 64


def digits_network() -> IntegerNetwork:
    """Convert the float network that comes with the package to 8 bits."""
    network = load_float_network(network_path("digits"))
    images = data.load("digits", "train", limit=256)
    seen = calibrate(network, images.pixels, images.name, steps=64)
    return convert(network, seen, ConversionSettings())[0]


def main() -> None:
    """Train on the 1,442 training digits, judge on the 355 others."""
    torch.manual_seed(0)
    train, test = data.load("digits", "train"), data.load("digits", "test")
    labels, wanted = torch.tensor(train.labels), torch.tensor(test.labels)
    network = digits_network()
    cell = IterativePoissonCell(network, seed=0)
    # The cell is not trained, so its spikes (T, N, K) are drawn once.
    counts, _ = norse.Lift(cell)(torch.tensor(train.pixels).expand(STEPS, -1, -1))
    linear, integrator = torch.nn.Linear(network.n_neurons, 10), norse.LICell()
    readout = norse.Lift(norse.SequentialState(linear, integrator))
    optimiser = torch.optim.Adam(linear.parameters(), lr=1e-2)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(labels)).split(BATCH):
            voltages, _ = readout(counts[:, rows])
            loss = torch.nn.functional.cross_entropy(voltages.sum(dim=0), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model = norse.Lift(norse.SequentialState(cell, linear, integrator))
    with torch.no_grad():
        voltages, _ = model(torch.tensor(test.pixels).expand(STEPS, -1, -1))
    accuracy = (voltages.sum(dim=0).argmax(dim=1) == wanted).float().mean().item()
    print(f"accuracy {accuracy:.3f} on {len(wanted)} held-out digits")


if __name__ == "__main__":
    main()
