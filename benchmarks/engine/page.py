"""The tables and the picture of docs/performance.md, made from the benchmark's JSON result."""

from pathlib import Path
from typing import Any, Final

from benchmarks.report import table, wrapped
from ipvae_snn.report.picture_files import page as sheet

START: Final = "<!-- made by python -m benchmarks.engine -->"
END: Final = "<!-- end of what is made -->"
NAMES: Final = {
    "one image": "one image, one core",
    "batch": "batch of 256, one core",
    "sparse": "95 % sparse lateral weights, batch of 256, one core",
    "trained, one image": "mnist-512-lean, trained sparse, one image, one core",
    "trained, batch": "mnist-512-lean, trained sparse, batch of 256, one core",
}


def section(result: dict[str, Any]) -> str:
    """Return the part of the page between START and END."""
    place = result["machine"]
    provenance = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]}: {place["processor"]},
        {place["cpu_cores"]} cores, {place["architecture"]}, vector instructions
        {", ".join(place["vectors"])}; Python {place["python"]}, torch {place["torch"]}, ipvae-snn
        {place["ipvae_snn"]}. {result["rounds"]} rounds, in which the arms take turns; medians, with
        quartiles in brackets. Microseconds are CPU time per image and step."""
    )
    parts = [
        provenance,
        _contests(result["contests"]),
        wrapped(_threads(result["threads"])),
        "## Where a step's time goes",
        _parts(result["parts"]),
        "## Cost against active neurons and size",
        wrapped(
            """Sums of the active rows, and what reading the same rows takes this machine: the least
            that any method needs that looks at each weight of each active neuron once."""
        ),
        _curve(result["curve"]),
        "![Sums against reading](images/engine-curve.png)",
        "## Start",
        wrapped(_starts(result["starts"])),
    ]
    return START + "\n\n" + "\n\n".join(parts) + "\n\n" + END


def _contests(contests: dict[str, Any]) -> str:
    head = ["", "arm", "us per image and step", "times ours"]
    rows = []
    for name, contest in contests.items():
        for arm, us in contest["us"].items():
            ratio = contest["ratio"].get(arm)
            shown = "" if ratio is None else _spread(ratio, 1)
            rows.append([NAMES[name], arm, _spread(us, 1), shown])
    return table(head, rows, text=2)


def _threads(threads: dict[str, Any]) -> str:
    ratio = threads["ratio"]
    return f"""Two threads are {ratio["median"]:.2f} times as fast as one at a batch of 256
        ({ratio["low"]:.2f}..{ratio["high"]:.2f}; by the clock, in turn)."""


def _parts(parts: dict[str, Any]) -> str:
    head = ["part", "microseconds"]
    rows = [[name, _spread(us, 2)] for name, us in parts["us"].items()]
    what = wrapped(
        f"""One image of {parts["neurons"]} neurons, of which {parts["active"]} spike
        {parts["spikes"]} times in the step. The whole draw contains the two parts above it; the
        rest of it lists who spikes and draws the parts of high rates."""
    )
    return what + "\n\n" + table(head, rows)


def _curve(curve: list[dict[str, Any]]) -> str:
    head = ["neurons", "active", "kilobytes of rows", "sums (us)", "reading (us)", "ratio"]
    rows = [
        [
            f"{one['neurons']:,}",
            f"{one['active']:,}",
            f"{one['bytes'] / 1e3:,.1f}",
            f"{one['us']['median']:,.2f}",
            f"{one['reading_us']['median']:,.2f}",
            f"{one['us']['median'] / one['reading_us']['median']:.1f}",
        ]
        for one in curve
    ]
    return table(head, rows, text=0)


def _starts(starts: dict[str, Any]) -> str:
    def seconds(name: str) -> str:
        one = starts[name]
        return f"{one['median']:.2f} s ({one['low']:.2f}..{one['high']:.2f})"

    return f"""`ipvae-snn run` of 100 digits over 16 steps, the whole command, takes
        {seconds("command")}; a first result from Python, import included, takes
        {seconds("first_result")}, of which importing Numba alone takes {seconds("python_alone")}.
        Machine code was compiled before, on first use."""


def _spread(one: dict[str, float], digits: int) -> str:
    return f"{one['median']:.{digits}f} ({one['low']:.{digits}f}..{one['high']:.{digits}f})"


def picture(curve: list[dict[str, Any]], path: Path) -> None:
    """Draw sums, and dashed what reading takes, against the bytes of the active rows."""
    with sheet(path, 6.4, 4.0) as figure:
        axes = figure.subplots()
        for k in sorted({one["neurons"] for one in curve}):
            some = [one for one in curve if one["neurons"] == k]
            size = [one["bytes"] / 1e3 for one in some]
            sums = [one["us"]["median"] for one in some]
            line = axes.plot(size, sums, "o-", markersize=3, label=f"{k:,} neurons")[0]
            reading = [one["reading_us"]["median"] for one in some]
            axes.plot(size, reading, "--", color=line.get_color())
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="kilobytes of active rows",
            ylabel="microseconds (dashed: reading the rows)",
        )
        axes.legend()


def with_section(text: str, generated: str) -> str:
    """Return the page with its generated part replaced; raise ValueError if it has none."""
    if START not in text or END not in text:
        raise ValueError(f"the page has no place for the tables; put {START} and {END} into it")
    return text.split(START)[0] + generated + text.split(END)[1]
