"""Train the read-out of lava_readout.py: a linear classifier of spike counts, in 8 bits.

    ipvae-snn convert digits --out net.safetensors
    ipvae-snn export net.safetensors --target lava --out bundle
    python docs/examples/readout_weights.py net.safetensors readout --steps 16

It writes weights.npy (10, K) int8, and images.npy (N, M) uint8 and labels.npy (N,) of the held-out
digits.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ipvae_snn import data
from ipvae_snn.backends import compiled
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest

LARGEST = 127  # of an int8 weight, both signs alike
PENALTY = 0.1  # inverse strength, as in scikit-learn
Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def digits(network: IntegerNetwork, split: data.Split) -> tuple[Pixels, Labels]:
    """Return scikit-learn's digits (N, M), as the network takes them, and their labels (N,)."""
    images = data.load("digits", split)
    pixels, _ = encode(network.input, images.pixels, images.kind, images.name)
    return pixels, np.asarray(images.labels)


def readout_weights(
    network: IntegerNetwork, pixels: Pixels, labels: Labels, steps: int
) -> npt.NDArray[np.int8]:
    """Return int8 weights (classes, K), fitted on the counts of images (N, M) summed over `steps`.

    Counts are not centred and there is no intercept, since a LIF neuron only adds up counts.
    """
    counts = compiled.run(network, pixels, RunRequest(steps)).counts_sum
    scaler = StandardScaler(with_mean=False)
    model = LogisticRegression(C=PENALTY, fit_intercept=False, max_iter=1000)
    model.fit(scaler.fit_transform(counts.astype(np.float64)), labels)
    weights = model.coef_ / scaler.scale_
    return np.asarray(np.rint(weights * (LARGEST / np.abs(weights).max())), dtype=np.int8)


def main() -> None:
    """Fit on the training digits, judge on the others, and write the files."""
    parser = argparse.ArgumentParser(description="Fit a linear read-out of a network's counts.")
    parser.add_argument("network", type=Path, help="what `ipvae-snn convert digits` wrote")
    parser.add_argument("out", type=Path, help="folder for weights, images and labels")
    parser.add_argument("--steps", type=int, default=16, help="of inference (default: 16)")
    options = parser.parse_args()
    network = load_network(options.network)
    weights = readout_weights(network, *digits(network, "train"), options.steps)
    images, labels = digits(network, "test")
    counts = compiled.run(network, images, RunRequest(options.steps)).counts_sum
    right = ((counts @ weights.T.astype(np.int64)).argmax(axis=1) == labels).mean()
    print(f"accuracy {right:.3f} on {len(labels)} held-out digits, from sums of counts")
    options.out.mkdir(parents=True, exist_ok=True)
    for name, array in (("weights", weights), ("images", images), ("labels", labels)):
        np.save(options.out / f"{name}.npy", array)


if __name__ == "__main__":
    main()
