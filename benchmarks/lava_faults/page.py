"""The Markdown page of the Lava faults, made from the JSON result of the benchmark."""

from statistics import median
from typing import Any

from benchmarks.lava_faults.kinds import BY_NAME, STALL_S, Kind
from benchmarks.report import table, wrapped

SHOWN = 120  # characters of a message in the table


def kept(kind: Kind) -> str:
    """Return what is left of the results."""
    if kind.kept is None:
        return "-"
    return "all images" if kind.name in ("stop-hangs", "full-results") else "finished images"


def row(name: str, result: dict[str, Any]) -> list[str]:
    """Return one kind's line of the table."""
    kind = BY_NAME[name]
    says = result["says"].partition("; its traceback follows")[0]
    says = says if len(says) <= SHOWN else says[: SHOWN - 3].rstrip() + "..."
    seconds = result["seconds"]
    middle, worst = f"{median(seconds):.2f}", f"{max(seconds):.2f}"
    shown = f"`{says.replace('`', chr(39)).replace('|', '/')}`" if says else "-"
    return [kind.what, shown, kept(kind), middle, worst]


def rows_of(result: dict[str, Any], entry: str) -> str:
    """Return the table of one entry point's kinds."""
    head = ["fault", "what you see first", "kept", "median s", "worst s"]
    names = [name for name in result["kinds"] if BY_NAME[name].entry == entry]
    return table(head, [row(name, result["kinds"][name]) for name in names], text=3)


def page(result: dict[str, Any]) -> str:
    """Return the page."""
    machine = result["machine"]
    runs = sum(len(found["seconds"]) for found in result["kinds"].values())
    worst = max(max(found["seconds"]) for found in result["kinds"].values())
    verdict = (
        "None left a process, a segment or semaphore in `/dev/shm`, or a temporary file behind."
        if not result["wrong"]
        else f"**{len(result['wrong'])} were not as they must be**; the result lists them."
    )
    report = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} ({machine["cpu_cores"]} CPU cores that
        other work shared, {machine["architecture"]}, {result["lava"]}, ipvae-snn
        {machine["ipvae_snn"]}); the whole result is in `benchmarks/results/lava_faults.json`.
        {len(result["kinds"])} kinds of fault, {result["times"]} times each, {runs} runs: the
        longest took {worst:.2f} s from the fault to the end of everything. {verdict}"""
    )
    intro = wrapped(
        f"""Lava itself waits for ever when a ProcessModel raises an exception, or when one of its
        processes is killed, stopped or stuck. A run of `ipvae-snn run --backend lava`, `verify`,
        `bench`, or of an exported bundle's `run.py` does not: whatever happens, it ends within
        {result["limit_s"]:g} seconds with one line that names the cause, then the traceback where
        there is one. No process of it is left, nothing of it in `/dev/shm`, no temporary file."""
    )
    meaning = wrapped(
        f"""The seconds are those from the fault until nothing of the run is left. Where a run waits
        before it gives up (a stall, here `--stall {STALL_S:g}`, and the time limit) they begin when
        that is over; where the fault is there from the start (a wrong version, a full disk) they
        include the start."""
    )
    return f"""# When a Lava run fails

{intro}

## How

Two processes look after a run. Inside, a thread (`simulator/watch.py`) looks every 50 ms at the
error reports of the ProcessModels, at the state of every process of Lava's in `/proc`, and at the
time step reached. Outside, the guard (`hw/lava/guard.py`, for a bundle `run.py` itself) keeps the
time limit, takes signals, and ends all processes of the run's session; everything the run makes in
`/dev/shm` bears the run's name, so that it can be removed and nothing else. If the guard is killed,
a third process, which waits for nothing else, does its part.

- **A stall.** A run that makes no time step for 60 seconds is given up (`--stall S`; 0 never), and
  the message names the process that does not come back and shows where it is. A process that
  somebody stopped (SIGSTOP) ends the run after 2 seconds.
- **A crash.** A segmentation fault shows the Python traceback of the process that had it.
- **The time limit** grows with the run; `--timeout S` sets it. `run.py` and `ipvae-snn run` take
  both options.

## What is kept

The images that were finished, with exactly the numbers that the whole run would have given. They
are written beside the result, `result.partial.npz` for `--out result.npz`: the same arrays for the
first images, and `images_done`. Where that cannot be written, the folder of temporary files takes
it, and the message says so. `result.npz` itself is whole or not there at all. A run that ends well
removes the partial result of an earlier one. After SIGKILL of the toolkit nobody is left to say a
word, but the file is there.

## Measured

{report}

{meaning}

`run.py` of a bundle:

{rows_of(result, "bundle")}

`ipvae-snn run --backend lava`:

{rows_of(result, "toolkit")}
"""
