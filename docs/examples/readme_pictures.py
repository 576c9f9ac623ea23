"""Draw the pictures of the README: the dictionary of `vanhateren-512`, and one of its runs.

python docs/examples/readme_pictures.py docs/images
"""

import sys
from pathlib import Path

import ipvae_snn as snn


def main() -> None:
    """Convert the pretrained network, show it held-out patches, and draw."""
    folder = Path(sys.argv[1])
    network = snn.convert("vanhateren-512", calibrate="natural", images=256).network
    result = snn.run(network, "natural", steps=64, limit=8, trace=True)
    used = result.trace.counts_sum.sum(axis=0)
    pictures = {
        "dictionary.png": snn.plots.dictionary("vanhateren-512", use=used).figure,
        "raster.png": snn.plots.raster(result.trace).figure,
    }
    for name, figure in pictures.items():
        figure.savefig(folder / name)
        print(f"{folder / name} written")


if __name__ == "__main__":
    main()
