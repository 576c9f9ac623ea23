"""Energy proxies of a chip: counts of a run times published energies per operation."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from ipvae_snn.hw.chips.profile import ChipProfile, Figure
from ipvae_snn.hw.cost.activity import Activity, Traffic

Kind = Literal["synapses", "neurons", "messages", "memory", "barriers", "static"]
PICO_TO_NANO: Final = 1e-3
NEEDS_PLACEMENT: Final = "needs a placement"


@dataclass(frozen=True)
class Range:
    """Nanojoule per image, from `low` to `high`.

    high is None where only a minimum is known; both are None where nothing is.
    """

    low: float | None
    high: float | None

    def text(self) -> str:
        """Return the range as text, in microjoule, with three digits or more."""
        if self.low is None:
            return "not public"
        low = _microjoule(self.low)
        if self.high is None:
            return f">= {low}"
        high = _microjoule(self.high)
        return low if low == high else f"{low}..{high}"


def _microjoule(nanojoule: float) -> str:
    value = nanojoule / 1000.0
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"


NOTHING: Final = Range(None, None)


@dataclass(frozen=True)
class Item:
    """One line of an estimate: number of operations (None: not counted) and published energy.

    `scale` converts the figure's unit to nanojoule: 1e-3 for pJ.
    """

    what: str
    kind: Kind
    count: float | None
    figure: Figure
    note: str = ""
    scale: float = PICO_TO_NANO

    @property
    def energy(self) -> Range:
        """Count times figure; an empty range where either is missing."""
        if self.count is None or self.figure.low is None:
            return NOTHING
        unit = self.count * self.scale
        high = None if self.figure.high is None else unit * self.figure.high
        return Range(unit * self.figure.low, high)


@dataclass(frozen=True)
class Estimate:
    """The proxies of one implementation on one profile, with their sources."""

    what: str
    profile: ChipProfile
    items: tuple[Item, ...]

    @property
    def dynamic(self) -> Range:
        """Energy of the run's operations; a minimum where a part is not known."""
        return total(item for item in self.items if item.kind != "static")

    @property
    def static(self) -> Range:
        """Leakage during the run."""
        return total(item for item in self.items if item.kind == "static")

    def part(self, *kinds: Kind) -> Range:
        """Return the energy of the items of these kinds."""
        return total(item for item in self.items if item.kind in kinds)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of the figures that were used, each once."""
        used = (item.figure.source for item in self.items if item.energy.low is not None)
        return tuple(dict.fromkeys(used))

    def as_json(self) -> dict[str, Any]:
        """Return plain data: nanojoule per image, with every count, figure and source."""
        return {
            "what": self.what,
            "profile": self.profile.name,
            "title": self.profile.title,
            "caveat": self.profile.caveat,
            "sources": list(self.sources),
            "dynamic_nj": vars(self.dynamic),
            "static_nj": vars(self.static),
            "items": [
                {
                    "what": item.what,
                    "kind": item.kind,
                    "count": item.count,
                    "figure": vars(item.figure),
                    "note": item.note,
                    "nj": vars(item.energy),
                }
                for item in self.items
            ],
        }


def total(items: Iterable[Item]) -> Range:
    """Return the sum; a minimum if an item has no maximum, or is counted but not public."""
    return total_of(item.energy for item in items if item.count != 0)


def total_of(ranges: Iterable[Range]) -> Range:
    """Return the sum of ranges; a minimum if one has no maximum, or is not public."""
    every = list(ranges)
    known = [(each.low, each.high) for each in every if each.low is not None]
    if not known:
        return NOTHING
    highs = [high for _, high in known if high is not None]
    complete = len(highs) == len(every)
    return Range(sum(low for low, _ in known), sum(highs) if complete else None)


@dataclass(frozen=True)
class _Event:
    """The count that multiplies one published energy, without a placement and with one."""

    what: str
    kind: Kind
    placed: Callable[["_Run", Traffic], float]
    unplaced: Callable[["_Run"], float | None] = lambda run: None
    unplaced_note: str = NEEDS_PLACEMENT


@dataclass(frozen=True)
class _Run:
    """An activity on a chip: graded spikes, or each count sent as that many binary ones."""

    activity: Activity
    graded: bool

    @property
    def operations(self) -> float:
        a = self.activity
        return a.synaptic_operations if self.graded else a.synaptic_operations_by_payload

    @property
    def steps(self) -> float:
        """Time steps of the chip, if each step of the network takes one, or one per spike."""
        return self.activity.steps if self.graded else self.activity.binary_steps

    @property
    def updates(self) -> float:
        """Neuron updates: of every neuron in every time step of the chip."""
        return self.activity.updates / self.activity.steps * self.steps

    @property
    def active(self) -> float:
        """Neuron updates with a spike: a count of 3 is sent in three time steps."""
        return self.activity.updates_active if self.graded else self.activity.binary_messages

    @property
    def messages(self) -> float:
        return self.activity.messages if self.graded else self.activity.binary_messages

    @property
    def repeats(self) -> float:
        """Mean number of messages per graded spike."""
        sent = self.activity.messages
        return 1.0 if self.graded or sent == 0 else self.activity.binary_messages / sent


def _everywhere(
    what: str, kind: Kind, count: Callable[[_Run], float], unplaced_note: str = ""
) -> _Event:
    """Return a quantity that a placement does not change."""
    return _Event(what, kind, lambda run, _: count(run), count, unplaced_note)


# In the order of display.
EVENT_COUNTS: Final[Mapping[str, _Event]] = MappingProxyType(
    {
        "synaptic_operation": _everywhere(
            "synaptic operations", "synapses", lambda run: run.operations
        ),
        "neuron_access": _everywhere("neuron accesses", "neurons", lambda run: run.updates),
        "neuron_update_active": _everywhere(
            "neuron updates with a spike", "neurons", lambda run: run.active
        ),
        "spike_out": _everywhere("spikes sent", "messages", lambda run: run.messages),
        "message": _Event(
            "messages to cores",
            "messages",
            lambda run, t: t.messages * run.repeats,
            lambda run: run.messages,
            "no placement: one message per spike",
        ),
        "spike_within_tile": _Event(
            "messages within a tile",
            "messages",
            lambda run, t: t.messages * run.repeats,
            lambda run: run.messages,
            "no placement: one message per spike",
        ),
        "hop_east_west": _Event(
            "hops east-west", "messages", lambda run, t: t.hops_x * run.repeats
        ),
        "hop_north_south": _Event(
            "hops north-south", "messages", lambda run, t: t.hops_y * run.repeats
        ),
        "synapse_word_read": _Event(
            "synapse words read", "memory", lambda run, t: t.synapse_words_read * run.repeats
        ),
        "barrier": _Event(
            "barriers",
            "barriers",
            lambda run, t: t.barriers + run.steps - run.activity.steps,
            lambda run: run.steps,
            "no placement: one per step",
        ),
    }
)


def chip_energy(
    profile: ChipProfile, activity: Activity, traffic: Traffic | None = None
) -> Estimate:
    """Return the proxies of an integer run on a chip.

    A chip that is known to have no graded spikes is charged for binary ones, and for the time steps
    that it takes to send them one after another, in each of which it updates all neurons. An
    operation that the profile does not name is part of another one, as its source counts. An
    operation that it names without a public figure makes the total a minimum.
    """
    feature = profile.features.get("graded_spikes")
    run = _Run(activity, graded=feature is None or feature.value is not False)
    items = _silent_updates(profile, run.updates - run.active)
    for key, event in EVENT_COUNTS.items():
        if key in profile.energy:
            count = event.unplaced(run) if traffic is None else event.placed(run, traffic)
            note = event.unplaced_note if traffic is None else ""
            items.append(Item(event.what, event.kind, count, profile.energy[key], note))
    return Estimate("integer run", profile, (*items, *_static(profile, activity, traffic)))


def _silent_updates(profile: ChipProfile, count: float) -> list[Item]:
    """Return the updates of neurons that send no spike.

    Sources distinguish active from inactive updates, but do not say whether input alone makes a
    neuron active. Here competition reaches nearly every neuron at every step, so the energy ranges
    from the one figure to the other.
    """
    active = profile.energy.get("neuron_update_active")
    inactive = profile.energy.get("neuron_update_inactive")
    if active is None and inactive is None:
        return []
    figure = active or inactive
    assert figure is not None
    if active is not None and active.low is not None:
        low = 0.0 if inactive is None else inactive.low
        figure = Figure(low, active.high, active.unit, active.source, active.confidence)
    note = "from inactive to active: input alone may make a neuron active"
    return [Item("neuron updates without a spike", "neurons", count, figure, note)]


def duration_ns(profile: ChipProfile, activity: Activity, traffic: Traffic | None) -> float | None:
    """Return the least duration of an image in nanoseconds: its barrier synchronisations alone."""
    barrier = profile.time.get("barrier")
    if barrier is None or barrier.low is None:
        return None
    return barrier.low * (activity.steps if traffic is None else traffic.barriers)


def _static(profile: ChipProfile, activity: Activity, traffic: Traffic | None) -> list[Item]:
    """Return the leakage of the chips in use over the least duration of an image."""
    power = profile.static.get("chip_power")
    if power is None:
        return []
    time, chips = duration_ns(profile, activity, traffic), 1 if traffic is None else traffic.chips
    count = None if time is None else time * chips
    least = Figure(power.low, None, power.unit, power.source, power.confidence, power.note)
    note = "chips times the least duration of an image, its barriers alone"
    # Milliwatt times nanosecond is picojoule.
    return [Item("leakage, chip nanoseconds", "static", count, least, note)]
