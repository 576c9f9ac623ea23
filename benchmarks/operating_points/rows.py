"""What one operating point is, whatever computed its code: quality, counts and energy proxies."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from ipvae_snn.arrays import Float64, Int64
from ipvae_snn.hw.chips.profile import ChipProfile
from ipvae_snn.hw.cost.activity import Activity, Traffic
from ipvae_snn.hw.cost.energy import Estimate, chip_energy
from ipvae_snn.hw.cost.processor import Format, Work, event_driven, is_processor, processor_energy
from ipvae_snn.metrics.estimates import Estimate as Mean
from ipvae_snn.metrics.estimates import estimate

# Bytes of a weight in a compressed row: the weight, and the index of its target.
WEIGHT: Final = 1
INDEX: Final = 2
DENSE_ROWS: Final = "dense rows"
COMPRESSED: Final = "compressed rows"
GRADED: Final = "as if graded"


@dataclass(frozen=True)
class Row:
    """One operating point; counts are means per image over all steps (`hw/cost/activity.py`).

    steps: T, or the mean until a stop; 1 for one pass. taken: the fewest and the most. r2: mean and
    95 % interval over images by read-out. operations: synaptic operations by events, by_payload: as
    if a value of 3 were sent as three spikes; both with the image's part, input_operations.
    largest: largest count or value that a neuron sent in one step. energy_nj: dynamic proxy from
    low to high (None: a minimum) by profile.
    """

    steps: float
    taken: Sequence[int]
    r2: Mapping[str, Sequence[float]]
    operations: float
    by_payload: float
    input_operations: float
    spikes: float
    messages: float
    largest: int
    energy_nj: Mapping[str, Sequence[float | None]]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def row(
    taken: Int64,
    scores: Mapping[str, Float64],
    work: Activity,
    largest: int,
    energy_nj: Mapping[str, Sequence[float | None]],
) -> Row:
    """Return the point of a run; taken (N,): steps, scores: R2 (N,) of each image by read-out."""
    return Row(
        float(taken.mean()),
        (int(taken.min()), int(taken.max())),
        {name: bounds(estimate(values)) for name, values in scores.items()},
        work.synaptic_operations,
        work.synaptic_operations_by_payload,
        work.input_operations,
        work.spikes,
        work.messages,
        largest,
        energy_nj,
    )


def bounds(value: Mean) -> list[float]:
    """Return a mean and the bounds of its interval."""
    return [value.mean, value.low, value.high]


@dataclass(frozen=True)
class Sizes:
    """Sizes of what computes a code: its units, its pixels, and its nonzero weights."""

    units: int
    pixels: int
    synapses: int


def energies(
    profiles: Sequence[ChipProfile],
    sizes: Sizes,
    work: Activity,
    traffic: Mapping[str, Traffic],
) -> dict[str, list[float | None]]:
    """Return the dynamic proxies of a spiking network; traffic: by profile, where it was placed.

    A processor reads the rows of the weights of active sources, whole or without their zeros.
    """
    result: dict[str, list[float | None]] = {}
    for profile in profiles:
        if is_processor(profile):
            dense = in_rows(sizes, work)
            shorter = compressed(dense, sizes.synapses)
            for name, way in ((DENSE_ROWS, dense), (COMPRESSED, shorter)):
                result[f"{profile.name}, {name}"] = low_high(processor_energy(profile, way))
        else:
            result.update(chip_energies(profile, work, traffic.get(profile.name)))
    return result


def pass_energies(
    profiles: Sequence[ChipProfile], synapses: int, work: Activity, form: Format = "int8"
) -> dict[str, list[float | None]]:
    """Return the same of a single pass, which reads the rows of what is not 0.

    A processor pays nothing for its units. A chip pays as for a spiking network.
    """
    result: dict[str, list[float | None]] = {}
    for profile in profiles:
        if is_processor(profile):
            width = 4 if form == "fp32" else WEIGHT
            one = Work(
                "one pass",
                form,
                work.synaptic_operations,
                0.0,
                0.0,
                width * work.row_weights,
                float(width * synapses),
            )
            result[f"{profile.name}, {DENSE_ROWS}"] = low_high(processor_energy(profile, one))
        else:
            result.update(chip_energies(profile, work, None))
    return result


def chip_energies(
    profile: ChipProfile, work: Activity, traffic: Traffic | None
) -> dict[str, list[float | None]]:
    """Return the proxy of a chip; of one without graded spikes, also as if it had them."""
    result = {profile.name: low_high(chip_energy(profile, work, traffic))}
    feature = profile.features.get("graded_spikes")
    if feature is not None and feature.value is False:
        graded = with_graded_spikes(profile)
        result[f"{profile.name}, {GRADED}"] = low_high(chip_energy(graded, work, traffic))
    return result


def with_graded_spikes(profile: ChipProfile) -> ChipProfile:
    """Return the profile of a chip as if a message could carry a count."""
    others = {k: v for k, v in profile.features.items() if k != "graded_spikes"}
    return replace(profile, features=MappingProxyType(others))


def in_rows(sizes: Sizes, work: Activity) -> Work:
    """Return the work if all rows hold their zeros too."""
    driven = event_driven(sizes.units, work)
    held = float((sizes.pixels + sizes.units) * sizes.units)
    return replace(driven, moved_bytes=work.row_weights, held_bytes=held)


def compressed(work: Work, synapses: int) -> Work:
    """Return the work if rows hold nonzero weights alone, each with the index of its target."""
    return Work(
        "event-driven int8, compressed rows",
        "int8",
        work.multiply_adds,
        work.updates,
        work.spikes,
        (WEIGHT + INDEX) * work.multiply_adds,
        float((WEIGHT + INDEX) * synapses),
        work.state_bytes,
    )


def low_high(found: Estimate) -> list[float | None]:
    """Return a dynamic proxy as plain data, in nanojoule per image."""
    energy = found.dynamic
    return [energy.low, energy.high]
