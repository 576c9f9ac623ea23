"""The page of operating points, made from its JSON and from that of the check by SANA-FE."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from benchmarks.operating_points import labels, stop_page
from benchmarks.operating_points.codes import LAST, MAP, MEAN, SAMPLE
from benchmarks.operating_points.goals import PRICED, goals, named
from benchmarks.operating_points.pictures import microjoule
from benchmarks.operating_points.rows import GRADED
from benchmarks.operating_points.sanafe_page import section
from benchmarks.operating_points.selection import (
    NETWORK,
    READOUTS,
    Choice,
    cheapest,
    choices,
    families,
    label,
    stopped,
)
from benchmarks.report import table
from benchmarks.report import wrapped as wrap

Json = dict[str, Any]
wrapped: Final = partial(wrap, hyphens=False)
LEVELS: Final = (0.8, 0.9, 0.93, 0.95, 0.96, 0.97)
LEVEL: Final = 0.95  # of the tables that compare at equal R2
SHOWN: Final = (2, 4, 6, 8, 12, 16, 32, 64)
SHOWN_ELSEWHERE: Final = (8, 16, 64)
NONE: Final = "-"


def page(result: Json, check: Json | None, read_out: Json | None = None) -> str:
    """Return the page; check, read_out: results of SANA-FE and of `labels`, None where missing."""
    own, *others = result["data"]
    points = result["points"]
    parts = [
        f"# What a given R2 costs\n\n{_provenance(result)}\n\n{HOW}",
        "![R2 against synaptic operations](images/operating_points.png)",
        f"## Goals\n\n{GOALS}\n\n{goals(points, own, read_out)}",
        f"## At equal R2 on {own}\n\n{EQUAL}\n\n{levels_table(points, own)}",
        f"## Energy at R2 {LEVEL}\n\n{ENERGY}\n\n{energies_table(points, own)}",
        "![R2 against energy proxies](images/operating_points_energy.png)",
        f"## Out-of-distribution images\n\n{ELSEWHERE}\n\n{_elsewhere(points, own, others)}",
        f"## Memory\n\n{MEMORY}\n\n{_memory(points)}",
        f"## Labels read out\n\n{_readout_text(result)}\n\n{_readouts(points)}",
    ]
    if read_out is not None:
        parts.append(labels.section(read_out))
    if stopped(points, own):
        parts.append(stop_page.section(points, list(result["data"]), LEVEL))
    if check is not None:
        parts.append(section(check))
    parts.append(f"## All points\n\n{ALL}")
    parts += [f"### {own}\n\n{all_points(points, own, SHOWN)}"]
    parts += [f"### {name}\n\n{all_points(points, name, SHOWN_ELSEWHERE)}" for name in others]
    return "\n\n".join(parts) + "\n"


def _provenance(result: Json) -> str:
    machine, images = result["machine"], result["points"][0]["data"]
    counts = sorted({each["images"] for each in images.values()})
    number = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
    data = "; ".join(f"{name}: {cited}" for name, cited in result["data"].items())
    return wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} (Python {machine["python"]}, ipvae-snn
        {machine["ipvae_snn"]}); every number is in `benchmarks/results/operating_points.json`.
        Networks: {_networks(result["networks"])}. {number} held-out images of each data set; ± is
        half the 95 % interval over images. Data: {data}."""
    )


def _networks(networks: Json) -> str:
    """Return each network with its size and the steps of its training."""
    named = [
        f"{name} (K = {each['neurons']}, trained for T = {each['training_steps']})"
        for name, each in networks.items()
    ]
    return ", ".join(named)


def _r2(row: Json, readout: str) -> str:
    if readout not in row["r2"]:
        return NONE
    mean, low, high = row["r2"][readout]
    return f"{mean:.3f} ± {(high - low) / 2:.3f}"


def levels_table(points: Sequence[Json], data: str, levels: Sequence[float] = LEVELS) -> str:
    """Return the fewest operations of each family that reach each R2."""
    rows = []
    for name, members in families(points).items():
        for readout in READOUTS[members[0]["kind"]]:
            found = [cheapest(choices(members, data, (readout,)), level) for level in levels]
            rows.append([name, readout, *(_cost(each) for each in found)])
    head = ["", "read-out", *(f"R2 {level:.2f}" for level in levels)]
    return table(head, rows, text=2)


def _cost(choice: Choice | None) -> str:
    return NONE if choice is None else f"{choice.operations:,.0f}"


def _best(points: Sequence[Json], data: str, level: float = LEVEL) -> list[Choice]:
    """Return the cheapest choice of each family that reaches the level."""
    found = (cheapest(choices(members, data), level) for members in families(points).values())
    return [each for each in found if each is not None]


def energies_table(points: Sequence[Json], data: str, level: float = LEVEL) -> str:
    """Return the proxies of the cheapest choices; chips without graded spikes in both ways."""
    rows = []
    for each in _best(points, data, level):
        cells = [_micro(each.row, profile) for profile in PRICED]
        graded = [_micro(each.row, f"{name}, {GRADED}") for name in PRICED[1:]]
        both = [
            cell if other == NONE else f"{cell} ({other})"
            for cell, other in zip(cells, [NONE, *graded], strict=True)
        ]
        counts = [f"{each.row[key]:,.0f}" for key in ("operations", "by_payload", "largest")]
        rows.append([named(each), f"{each.r2:.3f}", *counts, *both])
    return table(["", "R2", "operations", "by payload", "largest", *PRICED], rows)


def _micro(row: Json, profile: str) -> str:
    value = microjoule(row, profile)
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _elsewhere(points: Sequence[Json], own: str, others: Sequence[str]) -> str:
    """Return R2 and operations of the choices that reach LEVEL on `own`, on every data set."""
    rows = []
    everywhere = [point for point in points if len(point["data"]) > len(others)]
    for each in _best(everywhere, own):
        cells = []
        for data in (own, *others):
            row = next(
                row for row in each.point["data"][data]["rows"] if row["steps"] == each.row["steps"]
            )
            cells += [f"{row['r2'][each.readout][0]:.3f}", f"{row['operations']:,.0f}"]
        rows.append([named(each), *cells])
    head = [cell for data in (own, *others) for cell in (data, "operations")]
    return table(["", *head], rows)


def _memory(points: Sequence[Json]) -> str:
    rows = [
        [
            label(point),
            f"{point['synapses']:,}",
            NONE if point.get("synapse_words") is None else f"{point['synapse_words']:,}",
            NONE if point.get("cores") is None else f"{point['cores']}",
        ]
        for point in points
    ]
    return table(["", "nonzero weights", "synapse words", "cores"], rows)


def _readout_text(result: Json) -> str:
    return wrapped(
        f"""Accuracy of logistic regression on the codes (`evaluation/readout.py`), fitted on
        {result["fitted_on"]:,} training images and judged on the held-out ones; of encoders and PCA
        near R2 .95 alone. The paper's 96.4 % is of rates after 1,000 steps, fitted on 60,000."""
    )


def _readouts(points: Sequence[Json]) -> str:
    rows = []
    for point in points:
        operations = {row["steps"]: row["operations"] for row in _own(point)}
        for each in point["accuracy"]:
            mean, low, high = each["accuracy"]
            rows.append(
                [
                    label(point),
                    each["code"],
                    f"{each['steps']:g}",
                    f"{operations[each['steps']]:,.0f}",
                    f"{100 * mean:.1f} ({100 * low:.1f} to {100 * high:.1f})",
                ]
            )
    return table(["", "code", "steps", "operations", "accuracy, %"], rows, text=2)


def _own(point: Json) -> list[Json]:
    rows: list[Json] = next(iter(point["data"].values()))["rows"]
    return rows


def all_points(points: Sequence[Json], data: str, marks: Sequence[int]) -> str:
    """Return a row for every point, and of networks for every number of steps in `marks`."""
    rows = []
    for point in points:
        network = point["kind"] == NETWORK
        for row in point["data"].get(data, {"rows": ()})["rows"]:
            if network and row["steps"] not in marks:
                continue
            first = SAMPLE if SAMPLE in row["r2"] else "int8"
            rows.append(
                [
                    label(point),
                    f"{row['steps']:g}",
                    *(_r2(row, name) for name in (first, MEAN, MAP)),
                    *(f"{row[key]:,.0f}" for key in COUNTS),
                ]
            )
    return table(["", "steps", "R2", MEAN, MAP, *COUNTS.values()], rows)


COUNTS: Final = {
    "operations": "operations",
    "by_payload": "by payload",
    "spikes": "spikes",
    "messages": "messages",
    "largest": "largest",
}
HOW: Final = wrapped(
    f"""Everything is counted alike. A **synaptic operation** is one nonzero weight that one event
    reaches: a pixel, a unit or a [spike count](glossary.md) that is not 0. What is 0 costs nothing,
    in a network and in an encoder. All counts are means per image as in [energy](energy.md); the
    competition after the last step is counted, though a sample and a mean of counts do not need it.
    Networks are integer networks of 8, 6 or 4 bits, and one run of each gives all its steps.
    Read-outs are those of `--decode` ([decoding](ir.md#reconstruction)): `{SAMPLE}`, the counts of
    the last step; `{MEAN}`, the mean of the last {LAST}; `{MAP}`, the rates exp(u) of the
    potentials after it. Encoders (two dense layers, trained through the dictionary of mnist-512 for
    R2) and PCA are rounded to 8 bits, weights per row and activations, and their R2 is **measured
    in 8 bits**. PCA is the best linear code of its length; its values are of either sign and dense.
    LCA is the integer network of `ipvae-snn lca` with the dictionary of mnist-512, and its sample
    is its code. Natural patches have [a page of their own](operating_points_patches.md)."""
)
GOALS: Final = wrapped(
    """On MNIST, 8 bits, for the cheapest point that reaches the R2. Out-of-distribution images: of
    the points within both limits, that which does best there, beside mnist-512's sample after 64
    steps and the best encoder. Energy: below that of
    the cheapest encoder of that R2, by each profile that has figures."""
)
EQUAL: Final = wrapped(
    """Fewest synaptic operations per image whose mean R2 is at least that of the column, over the
    steps of a network, widths of an encoder, components and penalties; `-`: not reached."""
)
ENERGY: Final = wrapped(
    """Least dynamic proxies in microjoule per image ([what they are](energy.md)) of each family's
    point with the fewest operations. By payload: operations if a count of 3 were sent as three
    spikes; largest: count or value that a unit sent in one step. A chip without graded spikes pays
    a count of 3 as three spikes in three time steps, in each of which it updates all neurons, and a
    value of 100 of an encoder as a hundred; in parentheses, what it would pay if one message
    carried any value. The processor reads rows of weights whole or without their zeros (three bytes
    for each weight then), whichever is cheaper; an encoder's units cost it nothing, and LCA's are
    charged as if they drew spikes. Placements are of networks only: an encoder pays for no hops,
    and for one message per value."""
)
ELSEWHERE: Final = wrapped(
    """R2 and operations of the same points, of 8 bits, on images of other kinds. Everything was
    trained on MNIST alone, and the units of 8 bits were chosen there."""
)
MEMORY: Final = wrapped(
    """Synapse words of 64 bits and cores: of the placement on `loihi1`, by resources."""
)
ALL: Final = wrapped(
    """R2 of a network is that of a sample, of a pass that of its 8 bits. Largest: count or value
    that a unit sent in one step. By payload: operations if a value of 3 were sent as three."""
)
