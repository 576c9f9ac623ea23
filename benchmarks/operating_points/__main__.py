"""R2 of a code against what it costs: networks, encoders, PCA and LCA, counted alike.

    python -m benchmarks.operating_points [NETWORK ...] --data-root FOLDER
        [--scheduler local|tcp://host:8786] [--workers N] [--resume]

NETWORK: names or files of float networks of MNIST. Writes benchmarks/results/operating_points.json,
the page docs/operating_points.md and its pictures. Each conversion, encoder, PCA and LCA is a point
of a sweep (`benchmarks/sweep.py`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from benchmarks.operating_points import labels, others
from benchmarks.operating_points.networks import Asked, figures
from benchmarks.operating_points.page import page
from benchmarks.operating_points.pictures import pictures
from benchmarks.operating_points.sanafe_check import RESULT as SANAFE
from benchmarks.operating_points.stops import TARGETS
from benchmarks.report import machine
from benchmarks.sweep import Point, Resume, Scheduler, Sweep, Workers, sweep, where
from ipvae_snn.conversion.calibration import Calibration, calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import ImageSet, load
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.networks import load_float
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.workflows.energy import priced_profiles

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "operating_points.json"
PAGE: Final = HERE.parent / "docs" / "operating_points.md"
DICTIONARY: Final = "mnist-512"  # of the encoders, and of LCA
DATA: Final = "mnist"
OUT_OF_DISTRIBUTION: Final = ("kmnist", "fashion-mnist", "omniglot")
MARKS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 64)
LCA_MARKS: Final = (4, 8, 16, 32, 64)
READOUT_MARKS: Final = (8, 16)
BITS: Final = (8, 6, 4)  # fewer than 8 of the sparse networks, on DATA alone
SPARSITIES: Final = (0.0, 0.9, 0.95)
CODES: Final = ("not negative", "of either sign")
# Training them takes most of the time: those around R2 .8 to .97, and a
# wide one, which keeps most of images unlike those of training.
WIDTHS: Final[Mapping[str, tuple[int, ...]]] = {
    CODES[0]: (64, 128, 256),
    CODES[1]: (64, 128, 160, 256, 384),
}
COMPONENTS: Final = (16, 32, 64, 100, 139, 180)
PENALTIES: Final = (0.02, 0.1)
READ_OUT: Final = (139, 160, 256)  # components, and widths, whose labels are read out: near R2 .95
CALIBRATION_IMAGES: Final = 2000
LONGEST_CALIBRATION: Final = 48
DIGITS: Final = 7
FITTED: Final = 10_000  # images of the linear read-out
NETWORK, ENCODER, PCA, LCA = "network", "encoder", "pca", "lca"


@dataclass(frozen=True)
class Material:
    """What the points need: networks with their calibrations, and images.

    sets: held-out images by name; training: all training images of the set `own`. dictionary: the
    network whose dictionary encoders and LCA take.
    """

    floats: Mapping[str, FloatNetwork]
    calibrations: Mapping[str, Calibration]
    training: ImageSet
    sets: Mapping[str, ImageSet]
    own: str = DATA
    dictionary: str = DICTIONARY

    def asked(self, marks: tuple[int, ...], labels: bool, targets: tuple[float, ...] = ()) -> Asked:
        """Return what is measured at these marks and stops, read-outs of labels or not.

        Images without labels have none.
        """
        labels = labels and self.training.labels is not None
        read = tuple(mark for mark in READOUT_MARKS if mark in marks)
        fitted = self.training.first(FITTED) if labels else None
        return Asked(marks, tuple(priced_profiles()), read, fitted, targets)


def short(name: str) -> str:
    """Return the name of a network in tables: that of its file's folder, or its own."""
    path = Path(name)
    return path.parent.name if path.name == "model.safetensors" else path.stem


def points_of(
    networks: Mapping[str, FloatNetwork],
    widths_of: Mapping[str, tuple[int, ...]] = WIDTHS,
    components: Sequence[int] = COMPONENTS,
    penalties: Sequence[float] = PENALTIES,
) -> list[Point]:
    """Return every point: networks by bits and sparsity, encoders by width, PCA, LCA."""
    points: list[Point] = []
    for name, network in networks.items():
        # Networks with lateral weights of their own were pruned in training.
        trained = "lateral" in network.stored
        shares, widths = (SPARSITIES[:1], BITS) if trained else (SPARSITIES, BITS[:1])
        points += [
            {
                "kind": NETWORK,
                "network": name,
                "checkpoint": network.source,
                "bits": bits,
                "sparsity": share,
            }
            for share in shares
            for bits in widths
        ]
    points += [
        {"kind": ENCODER, "code": code, "hidden": h} for code in CODES for h in widths_of[code]
    ]
    points += [{"kind": PCA, "components": count} for count in components]
    points += [{"kind": LCA, "penalty": penalty} for penalty in penalties]
    return points


def _network(given: Material, point: Point) -> dict[str, Any]:
    name, bits = point["network"], point["bits"]
    settings = ConversionSettings(bits, bits, sparsity=point["sparsity"])
    integers, _ = convert(given.floats[name], given.calibrations[name], settings)
    whole = bits == BITS[0]
    asked = given.asked(MARKS, whole and not point["sparsity"], TARGETS if whole else ())
    sets = given.sets if whole else {given.own: given.sets[given.own]}
    return figures(integers, sets, given.own, asked)


def _encoder(given: Material, point: Point) -> dict[str, Any]:
    signed = point["code"] == CODES[1]
    network = given.floats[given.dictionary]
    one = others.encoder(network, given.training, point["hidden"], signed)
    asked = given.asked((1,), point["hidden"] in READ_OUT)
    return others.pass_figures(one, given.sets, given.training, given.own, asked)


def _pca(given: Material, point: Point) -> dict[str, Any]:
    one = others.pca(given.training, point["components"])
    asked = given.asked((1,), point["components"] in READ_OUT)
    return others.pass_figures(one, given.sets, given.training, given.own, asked)


def _lca(given: Material, point: Point) -> dict[str, Any]:
    network, asked = given.floats[given.dictionary], given.asked(LCA_MARKS, False)
    return others.lca(network, point["penalty"], given.training, given.sets, given.own, asked)


KINDS: Final[Mapping[str, Callable[[Material, Point], dict[str, Any]]]] = {
    NETWORK: _network,
    ENCODER: _encoder,
    PCA: _pca,
    LCA: _lca,
}


def figures_of(given: Material, point: Point) -> dict[str, Any]:
    """Return the figures of one point."""
    return KINDS[point["kind"]](given, point)


def material(
    names: Sequence[str],
    data_root: Path | None,
    limit: int,
    show: Callable[[str], None],
    own: str = DATA,
    dictionary: str = DICTIONARY,
    elsewhere: Sequence[str] = OUT_OF_DISTRIBUTION,
) -> Material:
    """Load networks and images, and calibrate."""
    floats, calibrations = {}, {}
    training = load(own, "train", data_root)
    for name in dict.fromkeys((dictionary, *names)):
        show(f"calibrating {short(name)}")
        network = load_float(name, "the benchmark")
        few = training.first(CALIBRATION_IMAGES)
        # Half as long again as training, as the command's documentation has it for short training.
        steps = min(LONGEST_CALIBRATION, 3 * network.training_steps // 2)
        floats[name] = network
        calibrations[name] = calibrate(network, few.pixels, few.name, steps)
    sets = {name: load(name, "test", data_root, limit) for name in (own, *elsewhere)}
    return Material(floats, calibrations, training, sets, own, dictionary)


def main(
    networks: Annotated[
        list[str] | None, typer.Argument(metavar="[NETWORK ...]", show_default=DICTIONARY)
    ] = None,
    data_root: Annotated[Path | None, typer.Option(envvar="IPVAE_SNN_DATA")] = None,
    limit: Annotated[int, typer.Option(min=20, help="Held-out images of each set.")] = 1000,
    scheduler: Scheduler = None,
    workers: Workers = None,
    resume: Resume = False,
) -> None:
    """Measure and write the results, the page and its pictures."""
    with sweep("operating_points", where(scheduler, workers, resume)) as run:
        given = material(networks or [], data_root, limit, lambda what: run.display(what, 0, 0))
        points = points_of(given.floats)
        rows = measured(run, given, points, limit)
        write(result_of(given, points, rows, "benchmarks.operating_points"))
    console(quiet=True).print(f"{RESULT} and {PAGE} written")


def measured(
    run: Sweep, given: Material, points: Sequence[Point], limit: int
) -> list[dict[str, Any]]:
    """Return the figures of every point; limit: of the held-out images."""
    settings = {
        "images": limit,
        "dictionary": given.floats[given.dictionary].source,
        "marks": MARKS,
        "targets": TARGETS,
    }
    return run.run(figures_of, points, given, settings)


def result_of(
    given: Material, points: Sequence[Point], rows: Sequence[dict[str, Any]], module: str
) -> dict[str, Any]:
    """Return what is stored; module: that was run."""
    named = [
        {**point, "network": short(point["network"])} if "network" in point else dict(point)
        for point in points
    ]
    return {
        "date": date.today().isoformat(),
        "command": " ".join(
            [f"python -m {module}", *(n for n in given.floats if n != given.dictionary)]
        ),
        "machine": machine(),
        "networks": {
            short(name): {
                "checkpoint_sha256": each.source,
                "neurons": each.n_neurons,
                "training_steps": each.training_steps,
            }
            for name, each in given.floats.items()
        },
        "data": {name: each.citation for name, each in given.sets.items()},
        "fitted_on": FITTED,
        "points": [{**p, **r} for p, r in zip(named, rows, strict=True)],
    }


def write(result: dict[str, Any]) -> None:
    """Write the JSON, and from it the page and the pictures."""
    write_text(RESULT, as_text(rounded(result)))
    redraw()


def as_text(result: dict[str, Any]) -> str:
    """Return JSON with a line for each point, so that a change of one shows as such."""
    head = json.dumps({**result, "points": []}, indent=1).removesuffix("[]\n}")
    points = ",\n".join(json.dumps(each, separators=(",", ":")) for each in result["points"])
    return f"{head}[\n{points}\n]\n}}\n"


def rounded(value: Any) -> Any:
    """Return plain data with its floats in DIGITS significant digits, which halves the file."""
    match value:
        case float():
            return float(f"{value:.{DIGITS}g}")
        case dict():
            return {key: rounded(each) for key, each in value.items()}
        case list() | tuple():
            return [rounded(each) for each in value]
        case _:
            return value


def redraw() -> None:
    """Make the page and the pictures anew from the stored results, if there are any."""
    if not RESULT.is_file():
        return
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    check = json.loads(SANAFE.read_text(encoding="utf-8")) if SANAFE.is_file() else None
    pictures(result, PAGE.parent / "images")
    write_text(PAGE, page(result, check, labels.stored()))


if __name__ == "__main__":
    typer.run(main)
