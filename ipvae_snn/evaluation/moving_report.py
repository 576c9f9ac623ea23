"""The report of an evaluation on sequences of frames: plain data, and a document of tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ipvae_snn.evaluation.moving import MovingEvaluation
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.report.document import Document, Picture, Table, number, paragraph, table


@dataclass(frozen=True)
class MovingReport:
    """An evaluation on sequences, its network, and the seconds that it took."""

    checkpoint: str
    checkpoint_sha256: str
    trained_on: str
    evaluation: MovingEvaluation
    plots: tuple[str, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "checkpoint": self.checkpoint,
            "checkpoint_sha256": self.checkpoint_sha256,
            "trained_on": self.trained_on,
            **self.evaluation.as_json(),
            "plots": list(self.plots),
            "seconds": self.seconds,
        }

    def document(self, pictures: Sequence[Picture] = ()) -> Document:
        """Return the tables and pictures."""
        result = self.evaluation
        source = result.citation or result.data
        return Document(
            f"Evaluation of {self.checkpoint} on frames of {result.data}",
            (
                frames_table(result),
                figures_table(result),
                *pictures,
                paragraph(
                    f"trained on {result.training}; {self.seconds:.1f} s in both ways; "
                    f"data: {source}"
                ),
            ),
        )


def frames_table(result: MovingEvaluation) -> Table:
    """Return the figures after each frame, carried over and restarted."""
    pairs = zip(result.carried.frames, result.restarted.frames, strict=True)
    return table(
        f"{result.sequences} sequences of {result.n_frames} frames of {result.data}, "
        f"{result.steps} steps per frame, seed {result.seed}; *: started anew at every frame",
        ("frame", "R2", "R2 *", "R2 MAP", "R2 MAP *", "zeros", "zeros *", "du", "du *"),
        [
            (
                f"{index}",
                _mean(carried.r2),
                _mean(restarted.r2),
                _mean(carried.r2_map),
                _mean(restarted.r2_map),
                _mean(carried.zeros),
                _mean(restarted.zeros),
                _mean(carried.du_norm, 2),
                _mean(restarted.du_norm, 2),
            )
            for index, (carried, restarted) in enumerate(pairs, 1)
        ],
    )


def figures_table(result: MovingEvaluation) -> Table:
    """Return what carrying over gains, and the spikes of both ways, with intervals."""
    rows: list[tuple[str, Estimate, int]] = [
        ("R2, mean over the frames", result.carried.r2, 4),
        ("the same, started anew", result.restarted.r2, 4),
        ("gain in R2 from the second frame on", result.gain, 4),
        ("spikes per frame", result.carried.spikes_per_frame, 1),
        ("the same, started anew", result.restarted.spikes_per_frame, 1),
    ]
    return table(
        "Potentials that carry over",
        ("figure", "mean", "95 % interval"),
        [
            (
                name,
                _mean(value, digits),
                f"{number(value.low, digits)} .. {number(value.high, digits)}",
            )
            for name, value, digits in rows
        ],
    )


def _mean(value: Estimate | None, digits: int = 3) -> str:
    return number(None if value is None else value.mean, digits)
