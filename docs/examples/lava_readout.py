"""Use an exported network in a Lava application: a stock LIF read-out classifies digits.

    python lava_readout.py BUNDLE images.npy weights.npy 16 [--fused]

It needs what the bundle needs: Python 3.10, lava-nc 0.10.0 and NumPy; nothing of the toolkit.
`ipvae-snn export --target lava` writes the bundle. readout_weights.py, beside this file, makes the
images and the weights. It prints the class of every image, or - if no read-out neuron spiked.
If one of Lava's processes fails, Lava never returns: end it by Ctrl-C.

    source -> Network -> Dense -> LIFReset -> sink

All Processes but `Network` are Lava's own. A presentation has these time steps, counted from 0:

    0                                  the image arrives, as graded spikes of pixel - zero_point
    1 + t (1 + 2t in a two-layer one)  the counts of step t leave the Network
    one later                          Dense delivers their sums

So the last sums arrive within the presentation of their own image.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.run_conditions import RunSteps
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIFReset
from lava.utils.weightutils import SignMode


def connect(
    stored: Any,
    pixels: npt.NDArray[np.uint8],
    weights: npt.NDArray[np.int8],
    steps: int,
    threshold: int,
) -> tuple[Any, Any, Any, int]:
    """Build the application for images (N, M); return Network, LIFs, sink and time steps.

    weights (C, K) int8: from every neuron to every class. threshold: the sum above which a LIF
    spikes.
    """
    from simulator.processes.network import Network

    length = stored.stride * steps + 2  # time steps of a presentation
    payload = np.zeros((pixels.shape[1], len(pixels), length), np.int32)
    payload[:, :, 0] = pixels.T.astype(np.int32) - stored.scalars["input"]["zero_point"]
    source = Source(data=payload.reshape(len(payload), -1))
    network = Network(stored.arrays, stored.scalars, steps=steps)
    synapses = Dense(
        # With both signs Dense keeps even weights only, -256..254. So the weights are doubled,
        # and the exponent -1 halves the sum. Without num_message_bits a count of 5 would be a 1.
        weights=2 * weights.astype(np.int32),
        weight_exp=-1,
        num_weight_bits=8,
        sign_mode=SignMode.MIXED,
        num_message_bits=24,
    )
    # du=4095 keeps no current, dv=0 all of the potential. A plain LIF would begin every image
    # with the potential of the last one, which is far below 0 for all classes but one.
    classes = LIFReset(
        shape=(len(weights),), du=4095, dv=0, vth=threshold, reset_interval=length, reset_offset=1
    )
    sink = Sink(shape=(len(weights),), buffer=len(pixels) * length)
    source.s_out.connect(network.image_in)
    network.s_out.connect(synapses.s_in)
    synapses.a_out.connect(classes.a_in)
    classes.s_out.connect(sink.a_in)
    return network, classes, sink, len(pixels) * length


def run(network: Any, sink: Any, time_steps: int, fused: bool) -> npt.NDArray[np.int64]:
    """Run the application; return the read-out's spikes (classes, time steps) of 0 and 1."""
    # This names the bundle's models, its fast one of Dense included. Lava can also choose,
    #     run_cfg=Loihi2SimCfg(select_tag="fixed_pt")
    # and takes its own for Dense: the same sums, more slowly. Without the tag it computes in
    # floating point.
    from simulator.circuit import run_configuration

    try:
        network.run(RunSteps(time_steps), run_cfg=run_configuration(fused))
        spikes: npt.NDArray[np.int64] = sink.data.get().astype(np.int64)
        return spikes
    finally:
        network.stop()


def main() -> None:
    """Parse the arguments, run, and print a line per image."""
    parser = argparse.ArgumentParser(description="Classify images by a bundle and a LIF read-out.")
    parser.add_argument("bundle", type=Path, help="what `ipvae-snn export --target lava` wrote")
    parser.add_argument("images", type=Path, help=".npy: uint8 (N, M)")
    parser.add_argument("weights", type=Path, help=".npy: int8 (classes, neurons)")
    parser.add_argument("steps", type=int, help="of inference, for every image")
    parser.add_argument("--threshold", type=int, default=2048, help="of the LIFs (default: 2048)")
    parser.add_argument("--fused", action="store_true", help="the Network as one process: faster")
    parser.add_argument("--spikes", type=Path, help="write (N, classes, time steps) uint8 here too")
    options = parser.parse_args()
    if not (options.bundle / "simulator").is_dir():
        parser.error(f"{options.bundle}: not a bundle")
    if options.steps < 1:
        parser.error("steps must be 1 or more")
    sys.path.insert(0, str(options.bundle))
    from simulator.bundle_io import InputError, read_images, read_network

    try:
        stored = read_network(options.bundle)
        pixels = read_images(options.images, stored, None)[:, 0]  # still images: the first frame
    except InputError as error:
        parser.error(str(error))
    weights = np.load(options.weights, allow_pickle=False)
    if weights.shape[1:] != (stored.n_neurons,) or weights.dtype != np.int8:
        parser.error(f"{options.weights}: not int8 (classes, {stored.n_neurons})")
    network, _, sink, time_steps = connect(
        stored, pixels, weights, options.steps, options.threshold
    )
    spikes = run(network, sink, time_steps, options.fused)
    spikes = spikes.reshape(len(weights), len(pixels), -1).swapaxes(0, 1)
    if options.spikes:
        np.save(options.spikes, spikes.astype(np.uint8))
    for votes in spikes.sum(axis=2):
        print(votes.argmax() if votes.any() else "-")


if __name__ == "__main__":
    main()
