"""Checks of a network's requirements against the limits and features of a chip."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np

from ipvae_snn.errors import ConfigError
from ipvae_snn.hw.chips.profile import ChipProfile
from ipvae_snn.hw.mapping.core_capacity import limit, room_of
from ipvae_snn.hw.mapping.placement import Placement
from ipvae_snn.hw.mapping.populations import FanIn, InputAs, Population
from ipvae_snn.hw.mapping.state import signed_bits
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.circuits import RESIDUAL
from ipvae_snn.ir.fixed_point import STATE_BITS, signed_limit
from ipvae_snn.ir.graph import IMAGE, Connection
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import NEURONS
from ipvae_snn.ir.prng import UNIFORM_BITS

Verdict = Literal["pass", "fail", "not public"]
# What the neurons of each kind send, in a user's words.
SENDERS: Final = MappingProxyType(
    {"poisson": "spike counts", "residual": "residuals", "lca": "graded spikes"}
)
STATES: Final = MappingProxyType(
    {"poisson": "membrane potential", "lca": "LCA state", "accumulator": "score"}
)
SYNAPSE_STEPS: Final = 1  # delay of a synapse, in steps


@dataclass(frozen=True)
class Check:
    """One limit or feature: `subject` needs it, what the chip has, and the likely remedy.

    value and maximum are numbers in `unit`. For a feature value is None, and maximum is 1 if the
    chip has it, else 0. maximum is None where it is not public. needs: the requirement as text.
    """

    name: str
    subject: str
    needs: str
    value: float | None
    maximum: float | None
    unit: str
    verdict: Verdict
    remedy: str
    source: str
    confidence: str
    note: str

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def brief(self) -> str:
        """Return the subject, the value and the maximum."""
        if self.value is None:
            return f"{self.subject}: needs {self.needs}"
        need = f"{self.value:,.10g} {self.unit}"
        return f"{self.subject}: needs {need}, the chip has {self.maximum:,.10g}"

    def describe(self) -> str:
        """Return one line: subject, value, maximum, remedy."""
        if self.value is None:
            return f"{self.subject}: needs {self.needs}, which the chip lacks; {self.remedy}"
        return (
            f"{self.subject}: needs {self.value:,.10g} {self.unit} ({self.needs}), "
            f"the chip has {self.maximum:,.10g}; {self.remedy}"
        )


class Checker:
    """Checks requirements against one profile."""

    def __init__(self, profile: ChipProfile) -> None:
        self.profile = profile

    def number(
        self,
        key: str,
        subject: str,
        value: float,
        needs: str,
        remedy: str,
        maximum: float | None = None,
    ) -> Check:
        """Compare a value with the limit `key`, or with a maximum derived from it."""
        figure = self.profile.limits[key]
        most = figure.value if maximum is None else maximum
        verdict: Verdict = "not public"
        if most is not None:
            verdict = "pass" if value <= most else "fail"
        return Check(
            key,
            subject,
            needs,
            value,
            most,
            figure.unit,
            verdict,
            remedy,
            figure.source,
            figure.confidence,
            figure.note,
        )

    def feature(self, key: str, subject: str, needs: str, remedy: str) -> Check:
        """Check that the chip has a feature."""
        feature = self.profile.features[key]
        verdict: Verdict = "not public"
        if feature.value is not None:
            verdict = "pass" if feature.value else "fail"
        most = None if feature.value is None else float(feature.value)
        return Check(
            key,
            subject,
            needs,
            None,
            most,
            "",
            verdict,
            remedy,
            feature.source,
            feature.confidence,
            feature.note,
        )


def require_limits(profile: ChipProfile) -> None:
    """Raise ConfigError for a profile of energies alone."""
    if not profile.has_limits:
        raise ConfigError(
            f"profile {profile.name} has energies but no limits, so nothing can be placed; take "
            "loihi1, loihi2, generic or a file of your own (see `ipvae-snn profiles`)"
        )


def arithmetic_checks(
    network: IntegerNetwork, profile: ChipProfile, input_as: InputAs
) -> list[Check]:
    """Return the checks of a neuron's arithmetic and of the payload of a spike."""
    check = Checker(profile)
    count = max(one.neurons.sends[1] for one in network.computing)
    checks = [
        check.feature(
            "graded_spikes",
            "spike counts",
            f"graded spikes, since they reach {count}",
            "take a chip with graded spikes (loihi2): a binary spike cannot carry a count",
        ),
        check.number(
            "payload_bits",
            *_widest_payload(network, input_as),
            "take a chip with wider payloads",
        ),
        check.feature(
            "programmable_neuron",
            "Poisson neuron" if network.drawn() else "LCA neuron",
            "a program of its own (multiply, shift, look up, compare)",
            "take a chip whose neuron is programmable (loihi2)",
        ),
        *(_draw_checks(check) if network.drawn() else ()),
    ]
    for connection in _on_chip(network, input_as):
        bits = connection.synapses.weight_bits
        checks.append(
            check.number(
                "weight_bits",
                f"{connection.name} weights",
                bits,
                "signed, the largest one",
                "convert with fewer --weight-bits",
            )
        )
    checks += [*_sums(network, input_as, check), *_states(network, check)]
    checks.append(
        check.number(
            "max_delay",
            "synapses",
            SYNAPSE_STEPS,
            "the delay of a synapse",
            "take a chip with delays of one step or more",
        )
    )
    return checks


def _draw_checks(check: Checker) -> list[Check]:
    """Return the checks of what a Poisson neuron needs to draw its counts."""
    return [
        check.feature(
            "exponential",
            "Poisson neuron",
            "the exponential of its potential, in each step",
            "take a chip that can compute it by shifts and products (loihi2)",
        ),
        check.feature(
            "keyed_noise",
            "sampler",
            "uniforms keyed by (seed, image, step, neuron)",
            "counts then agree with the other back ends in law only, not one by one",
        ),
        check.number(
            "noise_bits",
            "sampler",
            UNIFORM_BITS,
            "the width of a uniform",
            "fewer bits bias the counts: combine several draws of the chip into one",
        ),
    ]


def _on_chip(network: IntegerNetwork, input_as: InputAs) -> list[Connection]:
    """Return the connections on the chip; the host forms an image's sums where it writes them."""
    return [c for c in network.weighted if input_as == "spikes" or c.source != IMAGE]


def _widest_payload(network: IntegerNetwork, input_as: InputAs) -> tuple[str, int, str]:
    """Return the sender of the widest payload, its bits, and its range."""
    sent = {
        SENDERS[one.neurons.kind]: one.neurons.sends
        for one in network.populations
        if one.neurons.kind in SENDERS
    }
    if input_as == "spikes":
        sent["pixels"] = network.input.payload_range
    subject = max(sent, key=lambda name: signed_bits(*sent[name]))
    low, high = sent[subject]
    return subject, signed_bits(low, high), f"signed, {low:,}..{high:,}"


def _sums(network: IntegerNetwork, input_as: InputAs, check: Checker) -> list[Check]:
    checks = []
    for connection in _on_chip(network, input_as):
        bound = worst_partial_sum(connection.synapses.weights, *network.payloads(connection))
        worst = int(bound.argmax())
        reach = int(bound[worst])
        checks.append(
            check.number(
                "accumulator_bits",
                f"{connection.name} sum {worst}",
                signed_bits(-reach, reach),
                f"proved to stay within +-{reach:,}",
                "convert with fewer --weight-bits",
            )
        )
    return checks


def _states(network: IntegerNetwork, check: Checker) -> list[Check]:
    current = int(network.worst_current.max())
    bits = {name: (signed_bits(*limits), "its limits") for name, limits in _state_limits(network)}
    bits["current"] = (signed_bits(-current, current), f"proved to stay within +-{current:,}")
    return [
        check.number("state_bits", subject, value, needs, "convert with fewer --fraction-bits")
        for subject, (value, needs) in bits.items()
    ]


def _state_limits(network: IntegerNetwork) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the name of each kind of state, and its least and largest value."""
    for one in (*network.computing, *network.accumulating):
        shared = one.neurons.shared()
        full = signed_limit(STATE_BITS)
        high = shared.get("state_max", full)
        yield STATES[one.neurons.kind], (shared.get("state_min", -high), high)


def neuron_checks(
    profile: ChipProfile, populations: Sequence[Population], fan_ins: Sequence[FanIn]
) -> list[Check]:
    """Return the checks of one neuron against a core: if one fails, no core can hold it."""
    check, room = Checker(profile), room_of(profile)
    checks = []
    remedy = (
        "send the image with --source bias, convert with --sparsity, or train a smaller network"
    )
    for population in populations:
        words = ", ".join(f"{word.name} {word.bits}" for word in population.state)
        checks.append(
            check.number(
                "state_bytes_per_neuron",
                f"each {_one(population.name)}",
                population.state_bytes,
                f"in whole bytes, bits: {words}",
                "take a chip with more state per neuron",
            )
        )
    for fan_in in fan_ins:
        worst = int(fan_in.sources.argmax())
        axons = int(fan_in.sources[worst])
        subject = f"{_one(fan_in.population)} {worst}"
        checks.append(
            check.number("axons_in_per_core", subject, axons, "sources with nonzero weight", remedy)
        )
        if room.known_words:
            words_alone = axons * (room.words_per_axon + 1)
            state = next(p.state_bytes for p in populations if p.name == fan_in.population)
            checks.append(
                check.number(
                    "core_memory_bytes",
                    subject,
                    room.bytes_used(words_alone, 1, state),
                    "its state and synapses alone on a core",
                    remedy,
                )
            )
            checks.append(
                check.number(
                    "synapse_words_per_core",
                    subject,
                    words_alone,
                    "its synapses alone on a core",
                    remedy,
                    room.words,
                )
            )
    return checks


def _one(population: str) -> str:
    return {NEURONS: "neuron", RESIDUAL: "residual neuron"}.get(population, f"{population} neuron")


def placement_checks(profile: ChipProfile, placement: Placement, chips: int | None) -> list[Check]:
    """Return the checks of a placement: axons out of the busiest core, and number of chips."""
    check, checks = Checker(profile), []
    sent = np.zeros(placement.partition.cores, np.int64)
    for population in placement.layout.populations:
        core_of = placement.partition.core_of[population.name]
        out = placement.partition.axons_out(placement.layout, population)
        sent += np.bincount(core_of, out, len(sent)).astype(np.int64)
    worst = int(sent.argmax())
    checks.append(
        check.number(
            "axons_out_per_core",
            f"core {worst}",
            int(sent[worst]),
            "a neuron has one for each core where it has targets",
            "convert with --sparsity, or train a smaller network",
        )
    )
    if chips is not None:
        cores, usable = placement.partition.cores, limit(profile, "usable_cores_per_chip")
        checks.append(
            check.number(
                "usable_cores_per_chip",
                "the network",
                cores,
                f"{chips} chips were given",
                f"give --chips {placement.mesh.chips}, or convert with --sparsity",
                None if usable is None else float(chips * usable),
            )
        )
    return checks


def can_place(checks: Sequence[Check]) -> bool:
    """Return whether every neuron fits on a core alone, even if other checks fail."""
    alone = ("axons_in_per_core", "synapse_words_per_core", "core_memory_bytes")
    return not any(check.verdict == "fail" and check.name in alone for check in checks)
