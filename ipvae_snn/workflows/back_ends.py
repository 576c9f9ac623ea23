"""Run one network on several back ends over the same images and put what came out side by side."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

from rich.table import Table

from ipvae_snn.backends.registry import load_backend
from ipvae_snn.comparison.agreement import agreement
from ipvae_snn.errors import DivergedError
from ipvae_snn.hw.chips.profile import ChipProfile, load_profile
from ipvae_snn.hw.cost.activity import Activity, activity
from ipvae_snn.hw.cost.energy import chip_energy
from ipvae_snn.hw.cost.processor import event_driven, gram_float, is_processor, processor_energy
from ipvae_snn.inference.reference import run_float
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace, counts_of
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.metrics.quality import r2, zeros_fraction
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.report.terminal import number, table
from ipvae_snn.workflows.images import Images

FLOAT: Final = "float"
ORACLE: Final = "reference"


@dataclass(frozen=True)
class Row:
    """One back end: quality, activity, energy proxies (nJ an image) and time.

    equal is None for the float run, and whether all counts and states are the oracle's for the
    others. us_per_image_step is wall-clock, start-up included.
    """

    backend: str
    r2: float
    r2_low: float
    r2_high: float
    zeros: float
    spikes_per_image: float
    synaptic_operations_per_image: float
    energy_nj_per_image: float | None
    seconds: float
    us_per_image_step: float
    equal: bool | None
    divergence: str | None


@dataclass(frozen=True)
class Comparison:
    """All rows, the energy's source, and how float and integer counts agree."""

    rows: tuple[Row, ...]
    energy_profile: str
    energy_source: str
    energy_caveat: str
    counts_equal: float
    counts_equal_active: float
    images: int
    steps: int
    seed: int
    data: str
    citation: str

    @property
    def all_equal(self) -> bool:
        """Whether every integer back end gave the oracle's counts and states."""
        return all(row.equal is not False for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Measured:
    """A comparison with the traces that it was made from, by back end."""

    comparison: Comparison
    traces: dict[str, Trace]


def compare_backends(
    floats: FloatNetwork, program: IntegerNetwork, images: Images, request: RunRequest,
    backends: Sequence[str], profile_name: str, report: Callable[[str], None],
) -> Measured:  # fmt: skip
    """Run float inference, the oracle and `backends` on the same images and uniforms."""

    profile = load_profile(profile_name)
    runs: dict[str, Callable[[], Trace]] = {
        FLOAT: lambda: run_float(floats, images.floats.pixels, request)
    }
    for name in (ORACLE, *(name for name in backends if name not in (FLOAT, ORACLE))):
        execute = load_backend(name)
        runs[name] = partial(execute, program, images.pixels, request)
    traces: dict[str, Trace] = {}
    rows: list[Row] = []
    for name, execute_now in runs.items():
        report(f"{name}: {len(images.pixels)} images, {request.steps} steps")
        start = time.perf_counter()
        trace = execute_now()
        seconds = time.perf_counter() - start
        traces[name] = trace
        divergence = None if name == FLOAT else first_divergence(traces[ORACLE], trace)
        work = activity(program, images.pixels, counts_of(trace))
        energy = _energy(profile, program, work, dense=name == FLOAT)
        rows.append(
            _row(
                name, trace, images, seconds, request.steps, work, energy,
                None if name == FLOAT else divergence is None,
                divergence.describe() if divergence else None,
            )
        )  # fmt: skip
    match = agreement(traces[FLOAT], traces[ORACLE], program)
    comparison = Comparison(
        rows=tuple(rows), energy_profile=profile.title,
        energy_source="; ".join(profile.sources.values()),
        energy_caveat=f"{_scope(profile)} {profile.caveat}", counts_equal=match.equal,
        counts_equal_active=match.equal_active, images=len(images.pixels), steps=request.steps,
        seed=request.seed, data=images.floats.name, citation=images.floats.citation,
    )  # fmt: skip
    return Measured(comparison, traces)


def _energy(
    profile: ChipProfile, program: IntegerNetwork, work: Activity, dense: bool
) -> float | None:
    """Return the proxy of a run in nJ an image, its lower end; None where nothing is public."""

    sizes = program.n_neurons, program.n_pixels
    if not is_processor(profile):
        return None if dense else chip_energy(profile, work).dynamic.low
    done = gram_float(*sizes, work) if dense else event_driven(*sizes, work)
    return processor_energy(profile, done).part("synapses").low


def _scope(profile: ChipProfile) -> str:
    """Return what the column counts, in one sentence."""

    if is_processor(profile):
        return "The synapses' arithmetic only; `ipvae-snn energy` adds neurons and memory."
    return "All that the profile gives, at the lower ends of its ranges."


def r2_curve(images: Images, decode: Callable[[Any], Any], trace: Trace) -> list[Estimate]:
    """Return R2 after every step of a run that kept its trace."""

    counts = counts_of(trace)
    return [r2(images.floats.pixels, decode(counts[:, t])) for t in range(counts.shape[1])]


def as_table(comparison: Comparison) -> Table:
    """Return the comparison as one table for the terminal."""
    shown = table(
        f"{comparison.images} images of {comparison.data}, {comparison.steps} steps, seed "
        f"{comparison.seed} (per image where not per step)",
        "run", "R2", "zeros", "spikes", "Msyn.ops", "uJ*", "us/step", "counts",
    )  # fmt: skip
    verdicts = {None: "-", True: "[green]equal[/]", False: "[red]DIFFERENT[/]"}
    for row in comparison.rows:
        operations, energy = row.synaptic_operations_per_image, row.energy_nj_per_image
        shown.add_row(
            row.backend,
            number(row.r2),
            number(row.zeros),
            number(row.spikes_per_image, 0),
            f"{operations / 1e6:.2f}",
            "-" if energy is None else f"{energy / 1e3:.2f}",
            number(row.us_per_image_step, 0),
            "oracle" if row.backend == ORACLE else verdicts[row.equal],
        )
    return shown


def footnote(comparison: Comparison) -> str:
    """Return where the energy figures come from; shown wherever they are."""
    return (
        f"* {comparison.energy_profile}; source: {comparison.energy_source}. "
        f"{comparison.energy_caveat}"
    )


def require_equal(comparison: Comparison) -> None:
    """Raise DivergedError, with the first place of each, if a back end left the oracle."""

    if not comparison.all_equal:
        wrong = [f"{row.backend}: {row.divergence}" for row in comparison.rows if row.divergence]
        raise DivergedError("; ".join(wrong))


def _row(
    name: str, trace: Trace, images: Images, seconds: float, steps: int, work: Activity,
    energy: float | None, equal: bool | None, divergence: str | None,
) -> Row:  # fmt: skip

    quality = r2(images.floats.pixels, trace.reconstruction)
    operations = work.dense_operations if name == FLOAT else work.synaptic_operations
    return Row(
        backend=name, r2=quality.mean, r2_low=quality.low, r2_high=quality.high,
        zeros=zeros_fraction(counts_of(trace)[:, -1]), spikes_per_image=work.spikes,
        synaptic_operations_per_image=operations, energy_nj_per_image=energy, seconds=seconds,
        us_per_image_step=1e6 * seconds / (len(images.pixels) * steps), equal=equal,
        divergence=divergence,
    )  # fmt: skip
