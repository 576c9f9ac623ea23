"""Lower bound of the time of a step and of an image on a chip, from published times."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from ipvae_snn.hw.chips.profile import ChipProfile, Figure

INCLUDED: Final = (
    "the barrier that ends each time step of the chip, and the updates of the neurons of the "
    "fullest core, which a core does one after another, each as if it had no input"
)
EXCLUDED: Final = (
    "synaptic operations (their published time is a maximum), messages, the host, and the image's "
    "way to the chip"
)


@dataclass(frozen=True)
class TimeItem:
    """A part of the chip's time step: how often it occurs one after another, and its time."""

    what: str
    count: int
    figure: Figure

    @property
    def ns(self) -> float:
        """Least time in nanoseconds."""
        return self.count * (self.figure.low or 0.0)


@dataclass(frozen=True)
class LeastTime:
    """A lower bound. steps: T of the network; barriers: time steps of the chip per image."""

    items: tuple[TimeItem, ...]
    barriers: float
    steps: float

    @property
    def chip_step_ns(self) -> float:
        """Least nanoseconds of a time step of the chip."""
        return sum(item.ns for item in self.items)

    @property
    def image_ns(self) -> float:
        """Least nanoseconds of an image."""
        return self.barriers * self.chip_step_ns

    @property
    def step_ns(self) -> float:
        """Least nanoseconds of a step of the network."""
        return self.image_ns / self.steps

    def as_json(self) -> dict[str, Any]:
        """Return plain data, with the sources."""
        return {
            "step_ns": self.step_ns,
            "image_ns": self.image_ns,
            "chip_step_ns": self.chip_step_ns,
            "included": INCLUDED,
            "excluded": EXCLUDED,
            "items": [
                {
                    "what": item.what,
                    "count": item.count,
                    "ns": item.ns,
                    "figure": asdict(item.figure),
                }
                for item in self.items
            ],
        }


def least_time(
    profile: ChipProfile, fullest_core: int, barriers: float, steps: float
) -> LeastTime | None:
    """Return the lower bound; None where the profile has no public time of its parts.

    fullest_core: the largest number of neurons on one core. An update without a spike takes the
    least. The times of Loihi 1 are those of Davies et al. 2018, table 2.
    """
    update = profile.time.get("neuron_update_inactive") or profile.time.get("neuron_access")
    parts = (
        ("barriers", 1, profile.time.get("barrier")),
        ("neuron updates of the fullest core", fullest_core, update),
    )
    items = tuple(
        TimeItem(what, count, figure)
        for what, count, figure in parts
        if figure is not None and figure.low is not None
    )
    return LeastTime(items, barriers, steps) if items else None
