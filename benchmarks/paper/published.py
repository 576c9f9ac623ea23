"""Readers of the paper's public results (`published/README.md` says where they come from)."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ipvae_snn.errors import DataError

FOLDER: Final = Path(__file__).parent / "published"
SOURCE: Final = "Vafaii, Galor and Yates (2025), arXiv 2410.19315"
# The paper's names of models, by ours. It also has softplus latents, which the toolkit has not.
KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "poisson": "poisson",
        "gaussian": "gaussian",
        "gaussian+relu": "gaussian-relu",
        "poisson+amort": "amortised-poisson",
        "gaussian+amort": "amortised-gaussian",
        "gaussian+relu+amort": "amortised-gaussian-relu",
        "gaussian+softplus+amort": "amortised-gaussian-softplus",
        "lca": "lca",
        "pc": "predictive-coding",
        "ipc": "incremental-predictive-coding",
    }
)


@dataclass(frozen=True)
class Point:
    """A network of figure 4 after 1,000 steps; beta is lambda for LCA, steps is T, 0 for none.

    r2_map: None where the file repeats r2, as it does for LCA and for all amortised models.
    """

    kind: str
    steps: int
    beta: float
    r2: float
    r2_map: float | None
    zeros: float
    distance: float


@dataclass(frozen=True)
class Curve:
    """R2 and zeros after the steps 1, 2, .. of a network of figure 3."""

    kind: str
    steps: int
    beta: float
    r2: tuple[float, ...]
    zeros: tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """A network of the MNIST table; mse: per pixel; accuracy: of the read-out, 0 to 1."""

    kind: str
    steps: int
    beta: float
    neurons: int
    seed: int
    r2: float
    mse: float
    zeros: float
    accuracy: float


@lru_cache
def landscape() -> tuple[Point, ...]:
    """Return the points of figure 4, of the models that the toolkit has."""
    return tuple(
        Point(
            KINDS[row["str_model"]],
            max(int(row["seq_len"]), 0),
            float(row["kl_beta"]),
            float(row["r2"]),
            None if row["r2_map"] == row["r2"] else float(row["r2_map"]),
            float(row["zeros"]),
            float(row["distance"]),
        )
        for row in _read("landscape_vanhateren.csv")
        if row["str_model"] in KINDS
    )


@lru_cache
def convergence() -> tuple[Curve, ...]:
    """Return the curves of figure 3."""
    rows = _read("convergence_vanhateren.csv")
    names = dict.fromkeys(row["str_model"] for row in rows)
    parts = ([row for row in rows if row["str_model"] == name] for name in names)
    return tuple(
        Curve(
            KINDS[part[0]["str_model"]],
            int(part[0]["t_train"]),
            float(part[0]["beta_outer"]),
            tuple(float(row["r2"]) for row in part),
            tuple(float(row["zeros"]) for row in part),
        )
        for part in parts
    )


@lru_cache
def mnist_table() -> tuple[Row, ...]:
    """Return the rows of the MNIST table, each seed once; T and beta are 0 where there are none."""
    rows = (
        Row(
            KINDS[row["str_model"]],
            int(float(row["seq_len"] or 0)),
            float(row["kl_beta"] or 0),
            int(row["n_latents"]),
            int(row["seed"]),
            float(row["r2"]),
            float(row["mse_perdim"]) / 1000.0,
            float(row["zeros"]),
            float(row["accu"]) / 100.0,
        )
        for row in _read("mnist_table.csv")
    )
    return tuple(dict.fromkeys(rows))


def point_of(kind: str, steps: int, beta: float) -> Point | None:
    """Return the published point of a network, the first of equals; None if there is none."""
    found = (
        point
        for point in landscape()
        if (point.kind, point.beta) == (kind, beta) and point.steps in (0, steps)
    )
    return next(found, None)


def _read(name: str) -> Sequence[dict[str, str]]:
    path = FOLDER / name
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; it belongs to the repository") from error
