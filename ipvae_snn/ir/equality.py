"""Comparison of integer runs by equality: the first place where two of them differ."""

from dataclasses import dataclass, replace

import numpy as np

from ipvae_snn.ir.trace import Trace


@dataclass(frozen=True)
class Divergence:
    """First place where two runs differ; step and neuron are None where they do not apply.

    frame: of a sequence, None for still images. Steps count on from frame to frame.
    """

    field: str
    image: int
    step: int | None
    neuron: int | None
    expected: float
    found: float
    frame: int | None = None

    def describe(self) -> str:
        """Return one line that names the place and both values."""
        place = f"image {self.image}"
        place += "" if self.frame is None else f", frame {self.frame}"
        place += "" if self.step is None else f", step {self.step}"
        place += "" if self.neuron is None else f", neuron {self.neuron}"
        return (
            f"{self.field} differs first at {place}: expected {self.expected}, found {self.found}"
        )


def first_divergence(expected: Trace, result: Trace) -> Divergence | None:
    """Return where `result` first differs from `expected`, or None if all shared arrays are equal.

    If both runs kept a trace, this is the earliest (image, step), counts before states within a
    step. Otherwise it is the first differing entry of the sums.
    """
    places = [
        place
        for name, axes in (("counts", "tn"), ("states", "tn"))
        if (place := _first(name, axes, expected, result)) is not None
    ]
    if places:
        # A wrong count of step t shows in the state of step t; a wrong state in the count of t + 1.
        return min(places, key=lambda p: (p.image, p.step or 0, p.field != "counts"))
    for name, axes in (
        ("spikes_per_step", "t"),
        ("saturated", "t"),
        ("counts_sum", "n"),
        ("state", "n"),
        ("scores", "tn"),
        ("steps_taken", ""),
        ("reconstruction", ""),
    ):
        place = _first(name, axes, expected, result)
        if place is not None:
            return place
    return None


def in_frames(place: Divergence | None, steps: int) -> Divergence | None:
    """Return the place with the frame of its step; steps: of each frame."""
    if place is None or place.step is None:
        return place
    return replace(place, frame=place.step // steps)


def _first(name: str, axes: str, expected: Trace, result: Trace) -> Divergence | None:
    want, have = getattr(expected, name), getattr(result, name)
    if want is None or have is None:
        return None
    if want.shape != have.shape:
        return Divergence(f"shape of {name}", 0, None, None, len(want), len(have))
    unequal = want != have
    if not unequal.any():
        return None
    index = np.unravel_index(int(np.argmax(unequal)), want.shape)
    return Divergence(
        field=name,
        image=int(index[0]),
        step=int(index[1]) if "t" in axes else None,
        neuron=int(index[-1]) if "n" in axes else None,
        expected=float(want[index]),
        found=float(have[index]),
    )
