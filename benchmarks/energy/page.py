"""The results of docs/energy.md and its picture, made from the JSON of the energy benchmark."""

from pathlib import Path
from typing import Any, Final

from benchmarks.report import table, wrapped
from ipvae_snn.errors import FileFormatError
from ipvae_snn.hw.cost.report import (
    ACTIVITY,
    IMAGE_OPERATIONS,
    NEUROBENCH,
    ROW_WEIGHTS,
    cells,
    marks,
    proxies,
)
from ipvae_snn.hw.cost.report import picture as picture_of
from ipvae_snn.report.document import number
from ipvae_snn.report.picture_files import save

BEGIN: Final = "<!-- results: written by python -m benchmarks.energy -->"
END: Final = "<!-- end of results -->"
Json = dict[str, Any]


def with_results(text: str, result: Json) -> str:
    """Return the page with the results between its two marks; the rest is handwritten."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise FileFormatError(f"docs/energy.md has no {BEGIN!r} ... {END!r}; put them back")
    return f"{before}{BEGIN}\n\n{results(result)}\n\n{END}{after}"


def results(result: Json) -> str:
    """Return the section."""
    one = result["circuits"]["one-layer"]
    provenance = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} (Python
        {result["machine"]["python"]}, ipvae-snn {result["machine"]["ipvae_snn"]}); all counts,
        figures and sources are in `benchmarks/results/energy.json`. Network {result["network"]} at
        8 bits, K = {result["neurons"]}, M = {result["pixels"]}; {one["images"]} test images,
        {one["steps"]} steps. Data: {one["citation"]}."""
    )
    return "\n\n".join(
        (provenance, *_counted(result), *_priced(result), *_over_steps(result), *_amortised(result))
    )


def picture(result: Json, path: Path) -> None:
    """Draw the dynamic ranges of all implementations, in microjoule per image."""
    save(picture_of(_estimates(result)), path)


def _estimates(result: Json) -> list[Json]:
    return [*result["circuits"]["one-layer"]["estimates"], *result["encoders"]]


def _counted(result: Json) -> tuple[str, ...]:
    circuits = result["circuits"]
    runs = list(circuits.values())
    shown = [each for each in ACTIVITY if each not in (IMAGE_OPERATIONS, ROW_WEIGHTS)]
    layers = zip(NEUROBENCH, cells(NEUROBENCH, runs, "neurobench"), strict=True)
    rows = [
        ["R2 of the last step's counts", *(number(run["r2"]) for run in runs)],
        *([each.name, *row] for each, row in zip(shown, cells(shown, runs), strict=True)),
        *([f"NeuroBench: {each.name}", *row] for each, row in layers),
    ]
    return ("### Counts, means per image", table(["", *circuits], rows))


def _priced(result: Json) -> tuple[str, ...]:
    estimates = _estimates(result)
    numbers = marks(estimates)
    rows = []
    for each in proxies(estimates):
        cited = "".join(f"[{numbers[source]}]" for source in each.sources)
        name = f"{each.profile}, {each.what} {cited}"
        rows.append([name, *each.cells, each.dynamic, each.static])
    second = [
        [f"{each.profile}, {each.what}", each.dynamic]
        for each in proxies(result["circuits"]["two-layer"]["estimates"])
        if each.what in ("event-driven int8", "integer run")
    ]
    cited = "\n".join(f"{mark}. {source}" for source, mark in numbers.items())
    return (
        "### Proxies, microjoule per image",
        "One-layer circuit. `rest` is messages and hops on a chip, memory on a processor; `>=` is\n"
        "a minimum.",
        table(["", "synapses", "neurons", "rest", "dynamic", "static"], rows),
        cited,
        _placed(result["circuits"]["one-layer"]["traffic"]),
        "![Dynamic proxies with their ranges](images/energy.png)",
        "The two-layer circuit, which compares the image with its prediction at every step:",
        table(["", "dynamic"], second),
    )


def _placed(traffic: Json) -> str:
    """Return the traffic of the placements."""
    rows = [
        [
            name,
            f"{each['cores']}",
            f"{each['messages']:,.0f}",
            f"{each['messages_between_cores']:,.0f}",
            f"{each['hops_x']:,.0f}",
            f"{each['hops_y']:,.0f}",
            f"{each['synapse_words_read']:,.0f}",
        ]
        for name, each in traffic.items()
    ]
    head = [
        *("placed on", "cores", "messages", "between cores", "hops E-W", "hops N-S"),
        "synapse words read",
    ]
    return table(head, rows)


def _over_steps(result: Json) -> tuple[str, ...]:
    rows = [
        [
            f"{each['steps']}",
            f"{each['r2']:.3f}",
            f"{each['spikes']:,.0f}",
            f"{each['synaptic_operations']:,.0f}",
            f"{each['arithmetic_nj'] / 1000:,.2f}",
            f"{each['dynamic_nj'] / 1000:,.1f}",
        ]
        for each in result["curve"]
    ]
    head = ["steps", "R2", "spikes", "synaptic operations", "arithmetic, uJ", "with memory, uJ"]
    return (
        "### Fewer steps",
        "The same network on the processor of 45 nm, event-driven, with fewer or more steps.",
        table(head, rows),
    )


def _amortised(result: Json) -> tuple[str, ...]:
    one, sweeps, pca = result["circuits"]["one-layer"], result["encoder_sweeps"], result["pca"]
    own = next(each for each in one["estimates"] if each["what"] == "event-driven int8")
    operations, wanted = one["activity"]["synaptic_operations"], one["r2"]
    priced = {each["what"]: each for each in result["encoders"]}
    rows = []
    for code, sweep in sweeps.items():
        last, form = sweep[-1], f"encoder, code {code}, int8"
        counted = result["encoders_by_events"][code]
        events = counted["synaptic_operations"]
        times = own["dynamic_nj"]["low"] / priced[form]["dynamic_nj"]["low"]
        rows.append(
            [
                f"code {code}, {last['hidden']} hidden units",
                f"{last['r2']:.3f}",
                f"{counted['r2_int8']:.3f}",
                f"{priced[form]['multiply_adds']:,.0f}",
                f"{events:,.0f}",
                f"{operations / events:.0f} times",
                f"{times:.0f} times",
            ]
        )
    head = [
        *("encoder", "R2, floats", "R2, int8", "multiply-adds", "by events"),
        *("fewer than the network", "less by the proxy, int8"),
    ]
    given = wrapped(
        f"""The network reaches R2 {wanted:.3f} with {operations:,.0f} synaptic operations. Two
        dense layers were trained on the 60,000 training images to maximise R2 through the network's
        own dictionary, so only the computation of the code differs. Their R2 in 8 bits is measured.
        By events, they are counted as the network is: a pixel or unit that is 0 costs nothing. The
        proxy is that of the dense int8 version."""
    )
    verdict = wrapped(
        f"""PCA is the lower bound: {pca["components"]} components reach {pca["r2"]:.3f}. **At equal
        R2, on images like the training images, one pass is cheaper than {one["steps"]} steps of
        this network**, whose lateral weights are dense and whose read-out is one sample.
        [What a given R2 costs](operating_points.md) sets networks with sparse weights, few steps
        and better read-outs beside encoders that are counted in the same way. Steps have other
        advantages: no encoder has to be trained, the code is small integers, and inference can
        stop at any step and follows a changing input. It also depends less on the training images;
        R2 on {result["strange_images"]} images of other kinds:"""
    )
    ways = list(result["out_of_distribution"][0]["r2"])
    kinds = [
        [each["data"], *(f"{each['r2'][way]:.3f}" for way in ways)]
        for each in result["out_of_distribution"]
    ]
    widths = [
        [f"code {code}", f"{each['hidden']}", f"{each['r2']:.3f}", f"{each['zeros']:.3f}"]
        for code, sweep in sweeps.items()
        for each in sweep
    ]
    return (
        "### An amortised encoder of equal R2",
        given,
        table(head, rows),
        verdict,
        table(["data", *ways], kinds),
        "The encoders were widened until they reached this R2 (zeros: share of the code):",
        table(["encoder", "hidden units", "R2", "zeros"], widths),
    )
