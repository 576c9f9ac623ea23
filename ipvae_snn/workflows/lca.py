"""Make an integer LCA network of a dictionary: deterministic sparse coding in fixed point."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ipvae_snn.conversion.lca import LcaReport, lca_network
from ipvae_snn.data import ImageSet
from ipvae_snn.errors import ConfigError
from ipvae_snn.inference.lca import Lca
from ipvae_snn.ir.encode import input_code, levels
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, counts_of
from ipvae_snn.metrics.quality import r2
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.networks import NetworkSource, load_float
from ipvae_snn.models.training_data import training_data
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.document import Document, Span, paragraph, table
from ipvae_snn.watcher import parts
from ipvae_snn.workflows.convert import CALIBRATION, CalibrationSettings
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import described
from ipvae_snn.workflows.outputs import NETWORK, check_outputs, outputs, save_or_spare

__all__ = ["CalibrationSettings", "LcaResult", "Quality", "make_lca", "of_images"]

JUDGED: Final = 200  # images on which floats and integers are compared
DEFAULT_STEPS: Final = 256


@dataclass(frozen=True)
class Quality:
    """Figures of codes: cost |x - phi a|^2 / 2 + lambda sum a, R2 and zeros, means over images."""

    cost: float
    r2: float
    zeros: float


@dataclass(frozen=True)
class LcaResult:
    """An integer LCA network, its units, and its codes beside those of LCA in floats."""

    network: IntegerNetwork
    report: LcaReport
    floats: Quality
    integers: Quality
    steps: int
    out: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "network": None if self.out is None else str(self.out),
            "report": self.report.as_json(),
            "steps": self.steps,
            "float": vars(self.floats),
            "integer": vars(self.integers),
        }

    def document(self) -> Document:
        """Return the tables."""
        report = self.report
        units = [
            ("neurons", str(report.neurons)),
            ("penalty lambda", f"{report.penalty:g}"),
            ("a step goes, of the way", f"2^-{report.leak_shift}"),
            ("one unit of the state", f"{report.state_unit:.3g}"),
            ("one unit of the payload", f"{report.code_unit:.3g}"),
            ("widest payload, bits", str(report.payload_bits)),
            ("worst lateral sum, of 24 bits", f"{100 * report.worst_sum_share:.1f} %"),
        ]
        both = [
            (name, f"{one.cost:.5g}", f"{one.r2:.4f}", f"{one.zeros:.3f}")
            for name, one in (("float", self.floats), ("integer", self.integers))
        ]
        blocks = [
            table(f"Units ({report.calibration})", ("", "value"), units),
            table(f"Codes after {self.steps} steps", ("", "cost", "R2", "zeros"), both),
        ]
        written = (
            () if self.out is None else (paragraph(Span(str(self.out), "strong"), " written"),)
        )
        return Document("LCA", (*blocks, *written))


def make_lca(
    source: NetworkSource,
    penalty: float,
    calibration: CalibrationSettings = CALIBRATION,
    *,
    bits: int = 8,
    fine: bool = True,
    out: Path | None = None,
    overwrite: bool = False,
    progress: Progress = ignore,
) -> LcaResult:
    """Make an integer LCA network of a float network's dictionary.

    penalty: lambda, for elements of length 1. calibration.steps: of the runs that find the largest
    states and codes. fine: with a second feed-forward connection for what the first loses by its
    rounding. Raises ConversionError where the penalty silences every neuron, DataError for
    images that do not fit, OutputError for a file that cannot be written.
    """
    if not penalty > 0:
        raise ConfigError(f"a penalty of {penalty:g} is not possible; give a number above 0")
    data = calibration.data
    free = check_outputs(outputs((out, NETWORK)), (source, data), overwrite)
    network = load_float(source, "lca")
    if data is None:
        data = training_data(network.trained_on, network.data_paths)
    progress(described(data), 0, 0)
    choice = ImageChoice(
        data,
        calibration.split,
        calibration.limit(network.n_neurons),
        calibration.data_root,
        calibration.white,
        progress,
    )
    images = choice.loaded_for(network)
    with parts(progress) as begin:
        begin(f"running {len(images)} images, {calibration.steps} steps")
        result = of_images(network, penalty, images, calibration.steps, bits, fine)
    if out is None:
        return result
    save_or_spare(out, lambda path: save_network(result.network, path), free)
    return replace(result, out=out)


def of_images(
    network: FloatNetwork,
    penalty: float,
    images: ImageSet,
    steps: int,
    bits: int = 8,
    fine: bool = True,
) -> LcaResult:
    """Return the integer LCA network, calibrated and judged on images; see `make_lca`."""
    lca = Lca.of(network.phi, penalty)
    largest = float(np.abs(images.pixels).max())
    code = input_code(network.input_kind, network.image_shape, largest)
    integer, report = lca_network(lca, images.pixels, code, steps, bits, images.name, fine)
    provenance = {"checkpoint_sha256": network.source, "trained_on": network.trained_on}
    integer = replace(integer, provenance={**integer.provenance, **provenance})
    judged = images.first(JUDGED).pixels
    codes, _ = lca.run(judged, steps)
    trace = integer.prepare().run(levels(code, judged), RunRequest(steps, trace=True))
    sent = counts_of(trace)[:, -1].astype(np.float64) * report.code_unit
    floats, integers = (
        Quality(
            float(lca.cost(judged, one).mean()),
            r2(judged, (one @ lca.phi.T).astype(np.float32)).mean,
            float((one == 0).mean()),
        )
        for one in (codes, sent)
    )
    return LcaResult(integer, report, floats, integers, steps)
