"""A whole mapping: checks and placement of a network on a chip, also as plain data."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ipvae_snn.errors import FitError
from ipvae_snn.hw.chips.profile import ChipProfile
from ipvae_snn.hw.cost.activity import Traffic
from ipvae_snn.hw.cost.duration import LeastTime, least_time
from ipvae_snn.hw.mapping.events import Events
from ipvae_snn.hw.mapping.limits import (
    Check,
    arithmetic_checks,
    can_place,
    neuron_checks,
    placement_checks,
    require_limits,
)
from ipvae_snn.hw.mapping.placement import (
    CoreUse,
    Placement,
    Routes,
    core_uses,
    map_network,
    routes,
    traffic,
)
from ipvae_snn.hw.mapping.populations import InputAs, fan_ins, populations_of
from ipvae_snn.ir.network import IntegerNetwork


@dataclass(frozen=True)
class Placed:
    """A placement with what follows from it."""

    placement: Placement
    uses: tuple[CoreUse, ...]
    routes: Routes
    traffic: Traffic


@dataclass(frozen=True)
class Mapping:
    """The checks, and the placement unless some neuron fits on no core.

    A placement with a failed check is hypothetical: by resources only.
    """

    profile: ChipProfile
    input_as: InputAs
    checks: tuple[Check, ...]
    events: Events
    placed: Placed | None

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.verdict == "fail")

    @property
    def fits(self) -> bool:
        """True if no public limit is violated."""
        return not self.failed


def check_and_place(
    network: IntegerNetwork,
    profile: ChipProfile,
    input_as: InputAs,
    events: Events,
    chips: int | None = None,
) -> Mapping:
    """Check a network against a profile and place it, even where it does not fit.

    chips: number of chips, or None for as many as needed. Raises ConfigError for a profile
    without limits.
    """
    require_limits(profile)
    populations = populations_of(network, input_as)
    checks = arithmetic_checks(network, profile, input_as)
    checks += neuron_checks(profile, populations, fan_ins(network, input_as))
    if not can_place(checks):
        return Mapping(profile, input_as, tuple(checks), events, None)
    placement = map_network(network, profile, input_as, events)
    placed = Placed(
        placement,
        tuple(core_uses(placement)),
        routes(placement, events),
        traffic(placement, events),
    )
    checks += placement_checks(profile, placement, chips)
    return Mapping(profile, input_as, tuple(checks), events, placed)


def require_fit(mapping: Mapping, subject: str) -> None:
    """Raise FitError with every violated limit."""
    if mapping.fits:
        return
    reasons = "; ".join(check.brief() for check in mapping.failed)
    raise FitError(
        f"{subject} does not fit {mapping.profile.name}: {reasons} "
        "(remedies are listed with the checks)"
    )


def as_json(mapping: Mapping) -> dict[str, Any]:
    """Return everything except the neurons' cores as plain data."""
    profile, events = mapping.profile, mapping.events
    data: dict[str, Any] = {
        "profile": {"name": profile.name, "title": profile.title, "caveat": profile.caveat},
        "input": mapping.input_as,
        "fits": mapping.fits,
        "hypothetical": mapping.placed is not None and not mapping.fits,
        "checks": [check.as_json() for check in mapping.checks],
        "events": {
            "description": events.description,
            "images": events.images,
            "steps": events.steps,
        },
        "placement": None,
    }
    if mapping.placed is not None:
        data["placement"] = _placement_json(mapping.placed, events)
        bound = time_bound(mapping, mapping.placed)
        data["placement"]["least_time"] = None if bound is None else bound.as_json()
    return data


def time_bound(mapping: Mapping, placed: Placed) -> LeastTime | None:
    """Return the lower bound of the time of a step and an image; None where no time is public."""
    fullest = max(use.neurons for use in placed.uses)
    return least_time(mapping.profile, fullest, placed.traffic.barriers, mapping.events.steps)


def _placement_json(placed: Placed, events: Events) -> dict[str, Any]:
    placement, uses = placed.placement, placed.uses
    part, mesh = placement.partition, placement.mesh
    words = [use.words for use in uses if use.words is not None]
    held = [use.bytes for use in uses if use.bytes is not None]
    return {
        "circuit": placement.layout.circuit,
        "cores": part.cores,
        "least_cores": sum(part.least_cores.values()),
        "chips": mesh.chips,
        "neurons": sum(use.neurons for use in uses),
        "axons_in": sum(use.axons_in for use in uses),
        "axons_out": sum(use.axons_out for use in uses),
        "synapses": sum(use.synapses for use in uses),
        "synapse_words": sum(words) if words else None,
        "state_bytes": sum(use.state_bytes for use in uses),
        "bytes": sum(held) if held else None,
        "utilisation_mean": float(np.mean([use.utilisation for use in uses])),
        "utilisation_max": max(use.utilisation for use in uses),
        "populations": {
            population.name: {
                "neurons": population.size,
                "state_bytes_per_neuron": population.state_bytes,
                "state": [asdict(word) for word in population.state],
                "cores": len(np.unique(part.core_of[population.name])),
                "least_cores": part.least_cores[population.name],
            }
            for population in placement.layout.populations
        },
        "mesh": {
            "columns": mesh.columns,
            "rows": mesh.rows,
            "cores_per_tile": mesh.cores_per_tile,
            "assumed": mesh.assumed,
        },
        "per_step": {name: value / events.steps for name, value in _flows(placed).items()},
        "per_image": _flows(placed),
        "longest_route_hops": placed.routes.longest,
        "barriers_per_image": placed.traffic.barriers,
        "core_list": [asdict(use) for use in uses],
    }


def _flows(placed: Placed) -> dict[str, float]:
    """Return the traffic of an image's events."""
    traffic = placed.traffic
    return {
        "messages": traffic.messages,
        "spikes_between_cores": traffic.messages_between_cores,
        "spikes_between_chips": placed.routes.between_chips,
        "messages_from_host": float(placed.routes.from_host.sum()),
        "hops_east_west": traffic.hops_x,
        "hops_north_south": traffic.hops_y,
        "synapse_words_read": traffic.synapse_words_read,
    }


def cores_of_neurons(mapping: Mapping) -> dict[str, list[int]]:
    """Return the core of every neuron by population; empty where nothing was placed."""
    if mapping.placed is None:
        return {}
    cores = mapping.placed.placement.partition.core_of
    return {name: core_of.tolist() for name, core_of in cores.items()}
