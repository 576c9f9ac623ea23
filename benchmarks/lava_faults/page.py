"""The Markdown page of the Lava faults, generated from the JSON result of the benchmark."""

from statistics import median
from typing import Any

from benchmarks.lava_faults.kinds import BY_NAME, STALL_S, Kind
from benchmarks.report import table, wrapped

SHOWN = 120  # characters shown of a message


def kept(kind: Kind) -> str:
    """Return which results are kept."""
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
    head = ["fault", "first line of the message", "kept", "median s", "worst s"]
    names = [name for name in result["kinds"] if BY_NAME[name].entry == entry]
    return table(head, [row(name, result["kinds"][name]) for name in names], text=3)


def page(result: dict[str, Any]) -> str:
    """Return the page."""
    machine = result["machine"]
    runs = sum(len(runs_of_kind["seconds"]) for runs_of_kind in result["kinds"].values())
    worst = max(max(runs_of_kind["seconds"]) for runs_of_kind in result["kinds"].values())
    verdict = (
        "None left a process, a segment or semaphore in `/dev/shm`, or a temporary file behind."
        if not result["wrong"]
        else f"**{len(result['wrong'])} did not pass**; the result lists them."
    )
    provenance = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} ({machine["cpu_cores"]} CPU cores,
        shared with other work, {machine["architecture"]}, {result["lava"]}, ipvae-snn
        {machine["ipvae_snn"]}); the whole result is in `benchmarks/results/lava_faults.json`.
        {len(result["kinds"])} kinds of fault, {result["times"]} times each, {runs} runs: the
        longest took {worst:.2f} s from the fault to the end of the whole run. {verdict}"""
    )
    intro = wrapped(
        f"""Lava itself waits for ever when a ProcessModel raises an exception, or when one of its
        processes is killed, stopped or stuck. A run of `ipvae-snn run --backend lava`, `verify`,
        `bench`, or of an exported bundle's `run.py` does not: it ends within
        {result["limit_s"]:g} seconds with one line that names the cause, then the traceback if
        there is one. It leaves no process, nothing in `/dev/shm`, and no temporary file."""
    )
    about_seconds = wrapped(
        f"""The seconds are those from the fault until nothing of the run is left. Where a run waits
        before it gives up (a stall, here `--stall {STALL_S:g}`, and the time limit), they start
        after that time. Where the fault exists from the start (a wrong version, a full disk), they
        include the start-up."""
    )
    return f"""# When a Lava run fails

{intro}

## Supervision

Two processes supervise a run. Inside, a thread (`simulator/watch.py`) checks every 50 ms the error
reports of the ProcessModels, the state of every process of Lava in `/proc`, and the time step
reached. Outside, the guard (`hw/lava/guard.py`; for a bundle `run.py` itself) enforces the time
limit, handles signals, and ends all processes of the run's session. Everything that the run creates
in `/dev/shm` carries the run's name, so exactly that can be removed. If the guard is killed, a
third process, which only waits for this, cleans up in its place.

- **A stall.** A run without a time step for 60 seconds is ended (`--stall S`; 0 never). The message
  names the process that does not come back and shows its stack trace. A process stopped by a signal
  (SIGSTOP) ends the run after 2 seconds.
- **A crash.** After a segmentation fault the message shows the Python traceback of the process.
- **The time limit** grows with the run; `--timeout S` sets it. `run.py` and `ipvae-snn run` take
  both options.

## Kept images

The finished images are kept, with exactly the numbers of the whole run. They are written beside the
result, to `result.partial.npz` for `--out result.npz`: the same arrays for the first images, and
`images_done`. If that file cannot be written, it goes to the folder of temporary files, and the
message gives the path. `result.npz` itself is whole or absent. A successful run removes the partial
result of an earlier one. After SIGKILL of the toolkit there is no message, but the file is written.

## Measurements

{provenance}

{about_seconds}

`run.py` of a bundle:

{rows_of(result, "bundle")}

`ipvae-snn run --backend lava`:

{rows_of(result, "toolkit")}
"""
