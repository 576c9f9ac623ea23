"""Truncated back-propagation: an iteration repeats its T steps from the state that they left.

The state is detached between two segments, so that gradients pass through T steps and memory is
that of T steps, while inference runs as long as all segments do. This is n_iters_outer of the
paper's public code, with one difference. There the optimiser takes a step at the end of a segment
(of the first one alone in the published version, whose condition on the step does not repeat). Here
it takes one step for all of them, with the mean of their gradients: an iteration stays one step of
the optimiser, for schedules, the limit of the gradient, skipped iterations and resumed runs, and
all gradients are taken at the parameters with which the states were inferred.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from ipvae_snn.training.objective import Unrolled


class Segment(NamedTuple):
    """A segment by its number, from 0 up, and the state in which it begins, None for the first."""

    number: int = 0
    carried: Any = None


def in_all(segments: Sequence[Unrolled]) -> Unrolled:
    """Return the figures of an iteration: means over its segments; rates and state of the last."""
    if len(segments) == 1:
        return segments[0]
    names = "loss", "nll", "kl", "messages", "spikes"
    means = {
        name: torch.stack([getattr(one, name).detach() for one in segments]).mean()
        for name in names
    }
    return replace(segments[-1], **means, arrivals=max(one.arrivals for one in segments))
