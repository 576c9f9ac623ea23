"""A million images through `ipvae-snn run` into a folder: memory, time left, and a kill.

    python -m benchmarks.streaming [--images 1000000]

Makes the images (digits, larger and shifted), trains and converts a small network on some of them,
and runs it on all, on a terminal: once whole, and once killed (SIGKILL) and resumed. Writes
benchmarks/results/streaming.json and the Markdown page docs/streaming.md.
"""

import hashlib
import json
import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from benchmarks.report import machine
from benchmarks.streaming.images import SIDE, larger_digits, shifted, write_images
from benchmarks.streaming.page import page
from benchmarks.streaming.terminal import Ended, Seen, on_terminal
from benchmarks.sweep import Refused
from ipvae_snn import api
from ipvae_snn.errors import BackendError
from ipvae_snn.ir.files import save_network
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "streaming.json"
PAGE: Final = HERE.parent / "docs" / "streaming.md"
NEURONS, STEPS = 128, 8
TRAINED_ON: Final = 2000
TENTH, KILLED_AT = 10, 30  # percent of the images
BLOCK: Final = 1 << 24


def make_network(path: Path, iterations: int) -> None:
    """Train a network of 128 neurons on some of the images, and write it in integers."""
    seen = shifted(larger_digits(), 0, TRAINED_ON)
    settings = {"model.n_latents": NEURONS, "train.iterations": iterations}
    trained = api.train(seen, preset="digits", settings=settings)
    save_network(api.convert(trained.network, seen).network, path)


def ran(arguments: list[str], folder: Path, at_percent: int | None = None) -> Ended:
    """Run the command, whole or until it is killed; BackendError if it failed by itself."""
    ended = on_terminal(arguments, folder, at_percent=at_percent)
    if ended.status not in (0, -9):
        raise BackendError(f"ipvae-snn {' '.join(arguments)}: {ended.status}: {ended.said[-300:]}")
    return ended


def at_a_tenth(ended: Ended) -> dict[str, float] | None:
    """Return what the bar said after a tenth of the images, and what was left then."""
    after = [bar for bar in ended.bars if bar.percent >= TENTH]
    if not after:
        return None
    bar: Seen = after[0]
    return {"percent": bar.percent, "shown_s": bar.left, "left_s": ended.seconds - bar.at}


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each array in a folder."""
    result = {}
    for path in sorted(folder.glob("*.npy")):
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
        result[path.stem] = digest.hexdigest()
    return result


def plain(ended: Ended) -> dict[str, float]:
    """Return seconds and the peak of memory."""
    return {"seconds": ended.seconds, "peak_bytes": ended.peak}


def measure(folder: Path, images: int, iterations: int) -> dict[str, Any]:
    """Return what was measured, with scratch files in `folder`."""
    write_images(folder / "images.npy", images)
    make_network(folder / "net.safetensors", iterations)
    common = ["run", "net.safetensors", "--data", "images.npy", "--limit", str(images)]
    common += ["--steps", str(STEPS), "--out"]
    whole = ran([*common, "whole"], folder)
    killed = ran([*common, "killed"], folder, at_percent=KILLED_AT)
    resumed = ran([*common, "killed", "--resume"], folder)
    figures = json.loads((folder / "whole" / "figures.json").read_text(encoding="utf-8"))
    again = json.loads((folder / "killed" / "figures.json").read_text(encoding="utf-8"))
    arrays = digests(folder / "whole")
    return {
        "whole": {**plain(whole), "tenth": at_a_tenth(whole)},
        "killed": {**plain(killed), "status": killed.status},
        "resumed": {**plain(resumed), "images_before": again["images_resumed"]},
        "equal": arrays == digests(folder / "killed"),
        "bytes": sum((folder / "whole" / f"{name}.npy").stat().st_size for name in arrays),
        "chunk": figures["chunk"],
        "backend": figures["backend"],
        "r2": figures["r2"],
        "spikes_per_image": figures["spikes_per_image"],
    }


def main(
    images: Annotated[int, typer.Option(min=100)] = 1_000_000,
    iterations: Annotated[int, typer.Option(min=2, help="Of the network's training.")] = 300,
    scratch: Annotated[
        Path | None, typer.Option(help="Folder for 12 KB per image while it runs.")
    ] = None,
    write: Annotated[bool, typer.Option(help="Write the result and the page.")] = True,
    refused: Refused = None,
) -> None:
    """Measure, and write the result and the page."""
    screen = console(quiet=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder, screen.status("streaming"):
        measured = measure(Path(folder), images, iterations)
    result = {
        "date": date.today().isoformat(),
        "command": f"python -m benchmarks.streaming --images {images}",
        "machine": machine(),
        "images": images,
        "pixels": SIDE * SIDE,
        "neurons": NEURONS,
        "steps": STEPS,
        **measured,
    }
    if write:
        write_text(RESULT, json.dumps(result, indent=2) + "\n")
        write_text(PAGE, page(result))
    typer.echo(page(result))


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    typer.run(main)
