"""Runs of a torch module in which every image ends when it is done (docs/ir.md, Stop)."""

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.arrays import Array, Float32, Integers, UInt8
from ipvae_snn.backends.torch_graph import GraphTorch, Shown
from ipvae_snn.ir.stop import Until
from ipvae_snn.ir.trace import RunRequest, Trace


def run_until_done(
    module: GraphTorch, pixels: UInt8, request: RunRequest, rows: slice, trace: Trace
) -> None:
    """Fill in the trace of some still images (n, M), each up to its last step.

    Every step is read from the device, to see which images are done: on a GPU that costs more than
    it saves, unless most images end early.
    """
    network, device = module.network, module.device
    until = Until(rows, trace, request, network)
    shown = module.show(torch.tensor(np.ascontiguousarray(pixels), device=device))
    states = module.initial_states(rows.stop - rows.start)

    def decoded(added: Integers, state: Integers, steps: int) -> Float32:
        image = module.reconstruct(write(added), write(state), steps)
        return image.cpu().numpy()

    def write(array: Integers) -> Tensor:
        return torch.tensor(np.array(array, np.int64), device=device)

    def read(tensor: Tensor) -> Array:
        array: Array = tensor.cpu().numpy()
        return array

    step = 0
    while len(until.running):
        running = until.running
        images = torch.tensor(running + request.first_image, device=device)
        before = read(module.side_by_side(network.computing, states)).copy()
        keys = module.keys(request.seed, images, step)
        sent, states, hits = module.advance(states, shown, keys)
        counts = read(module.side_by_side(network.computing, sent))
        after = read(module.side_by_side(network.computing, states))
        trace.keep(running, step, counts, after)
        if network.accumulating:
            trace.keep_scores(
                running, step, read(module.side_by_side(network.accumulating, states))
            )
        assert trace.saturated is not None  # Trace.empty makes it
        trace.saturated[running, step] = read(hits)
        on = until.after_step(step, before, after, counts, decoded)
        if not on.all():
            left = torch.tensor(on, device=device)
            states = {name: state[left] for name, state in states.items()}
            currents = {
                name: each if each.dim() == 1 else each[left]
                for name, each in shown.currents.items()
            }
            shown = Shown(shown.payload[left], currents)
        step += 1
