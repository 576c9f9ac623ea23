"""Replay spikes in the simulator SANA-FE; its own Python runs this file, without this project.

    PYTHON sanafe_replay.py CASE.json RESULT.json

CASE holds what `sanafe_check.py` writes: the core of every neuron and pixel on SANA-FE's Loihi, the
synapses, and for each image the pixels and, step by step, the neurons that send. Every weight is 0.
A neuron sends when its bias exceeds its threshold, and its bias is set before each step; so the
spikes are the given ones, and SANA-FE charges what they cause.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sanafe

SYNAPSES = "loihi_sparse_synapse"
SENDING = 2.0  # a bias above the threshold of 1


def main(case: Path, out: Path) -> None:
    """Replay every image of a case and write its energies (J), time (s) and counts."""
    given = json.loads(case.read_text(encoding="utf-8"))
    chip = placed(given)
    result = {
        "version": version("sanafe"),
        "images": [replayed(chip, image) for image in given["images"]],
    }
    out.write_text(json.dumps(result), encoding="utf-8")


def placed(given: dict[str, Any]) -> Any:
    """Return SANA-FE's Loihi with the network loaded."""
    loihi = sanafe.load_loihi()
    network = sanafe.Network()
    neurons = network.create_neuron_group(
        "neurons",
        len(given["cores"]),
        model_attributes={"threshold": 1.0, "reset_mode": "hard", "reset": 0.0},
        soma_hw_name="loihi_lif",
        default_dendrite_hw_name="loihi_dendrites",
        default_synapse_hw_name=SYNAPSES,
    )
    pixels = network.create_neuron_group(
        "pixels",
        given["pixels"],
        default_dendrite_hw_name="loihi_dendrites",
        default_synapse_hw_name=SYNAPSES,
    )
    for place, (tile, core) in enumerate(given["cores"]):
        neurons[place].map_to_core(loihi.tiles[tile].cores[core])
    tile, core = given["pixel_core"]
    for place in range(given["pixels"]):
        pixels[place].set_attributes(soma_hw_name=f"loihi_inputs[{place}]")
        pixels[place].map_to_core(loihi.tiles[tile].cores[core])
    for source, pairs in ((pixels, given["feedforward"]), (neurons, given["lateral"])):
        if pairs:
            source.connect_neurons_sparse(neurons, {"weight": [0.0] * len(pairs)}, pairs)
    chip = sanafe.SpikingChip(loihi)
    chip.load(network)
    return chip


def replayed(chip: Any, image: dict[str, Any]) -> dict[str, float]:
    """Send the pixels in one step of the chip, the neurons in the next ones; two more end it."""
    neurons, pixels = (chip.mapped_neuron_groups[name] for name in ("neurons", "pixels"))
    for place in image["pixels"]:
        pixels[place].set_attributes(model_attributes={"spikes": [True]})
    total: dict[str, float] = {}
    before: set[int] = set()
    for sending in ([], *image["steps"], []):
        now = set(sending)
        for place in before ^ now:
            bias = SENDING if place in now else 0.0
            neurons[place].set_attributes(model_attributes={"bias": bias})
        before = now
        done = chip.sim(1, processing_threads=1)
        for name, value in (*done["energy"].items(), *counts(done)):
            total[name] = total.get(name, 0.0) + value
    return total


def counts(done: dict[str, Any]) -> list[tuple[str, float]]:
    """Return the other numbers of a simulated step."""
    return [
        (f"count_{name}", float(value))
        for name, value in done.items()
        if isinstance(value, int | float)
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
