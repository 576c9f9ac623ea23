"""The section of the page that sets our proxies beside the simulator SANA-FE."""

from functools import partial
from typing import Any, Final

from benchmarks.report import table
from benchmarks.report import wrapped as wrap

Json = dict[str, Any]
wrapped: Final = partial(wrap, hyphens=False)


def section(check: Json) -> str:
    """Return the section from the JSON of `sanafe_check.py`."""
    version = check["networks"][0]["version"]
    intro = wrapped(
        f"""Made by `{check["command"]}` on {check["date"]}, with sanafe {version} from PyPI in an
        environment of its own, for its licence is GPL-3.0. SANA-FE (Boyle et al. 2025, IEEE TCAD
        44(8)) is the simulator that our profile `loihi1-sanafe` takes its energies from. Its spikes
        are binary: it has no [graded spikes](glossary.md). So the network's own run is replayed on
        its Loihi, neurons on the cores of our placement and pixels on a core of a free tile: once
        with one message for each count, and once with a count of 3 as three spikes in three steps
        of the chip."""
    )
    parts = ["## Beside SANA-FE", intro]
    parts += [_of_network(each) for each in check["networks"]]
    parts.append(EXPLAINED)
    return "\n\n".join(parts)


def _of_network(each: Json) -> str:
    rows = []
    for one in each["rows"]:
        theirs, ours = one["sanafe"], one["ours"]
        rows += [
            [one["sent"], "**SANA-FE**", "**proxy**"],
            *(
                [f"{name}, uJ", _micro([theirs[key]]), _micro(ours[key])]
                for name, key in ENERGIES.items()
            ),
            ["time, us", f"{theirs['microseconds']:,.1f}", _at_least(ours)],
            *(
                [name, f"{theirs[one_key]:,.0f}", f"{ours[key]:,.0f}"]
                for name, (one_key, key) in COUNTS.items()
            ),
        ]
    head = f"""{each["network"]}, 8 bits: {each["images"]} test images, {each["steps"]} steps,
        {each["cores"]} cores. Means per image:"""
    return f"{wrapped(head)}\n\n{table(['', 'SANA-FE', 'proxy'], rows)}"


def _micro(ends: list[float]) -> str:
    low, high = ends[0] / 1000.0, ends[-1] / 1000.0
    return f"{low:.3f}" if low == high else f"{low:.3f}..{high:.3f}"


def _at_least(ours: Json) -> str:
    value = ours["microseconds_at_least"]
    return "not public" if value is None else f">= {value:,.1f}"


ENERGIES: Final = {
    "synapses": "synapses_nj",
    "neurons with their spikes": "neurons_nj",
    "messages": "messages_nj",
}
COUNTS: Final = {
    "synaptic operations": ("synaptic_operations", "synaptic_operations"),
    "messages to cores": ("messages", "messages"),
    "neuron updates (SANA-FE: with input or a spike)": ("updates_with_input", "updates"),
    "time steps of the chip": ("chip_steps", "chip_steps"),
}
DIFFERENCES: Final = (
    """**Synapses.** The operations are equal, to the last one. SANA-FE charges 33.6 pJ for each
    (its unit for sparse weights); our range is that of its three units, 24.0 to 35.5 pJ.""",
    """**Neurons.** SANA-FE accesses every neuron in every time step of the chip, of which there are
    two more than steps of the network, and charges the update wherever input arrived, which is
    nearly everywhere. Our range runs from an update for spikes alone to one for every neuron.""",
    """**Messages.** SANA-FE also charges the pixels' messages, and hops. Ours are those of neurons
    alone, since it is not public where an image enters a chip, and the profile has no energies of
    hops.""",
    """**Binary spikes.** Where a count of 3 takes three steps of the chip, all neurons are accessed
    in each of them, and our proxy charges that too: on such a chip, a large count costs much more
    than its spikes.""",
    """**Time.** SANA-FE lets a core process its messages one after another, and takes 0.6 to 1.8 us
    for a barrier. Our bound holds the barriers (0.113 us each) and the neuron updates of the
    fullest core alone.""",
)
EXPLAINED: Final = "\n\n".join(wrapped(each) for each in DIFFERENCES)
