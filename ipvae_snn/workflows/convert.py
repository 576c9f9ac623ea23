"""Calibrate, convert, and keep the integer network with its report."""

from pathlib import Path

from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import ConversionSettings, convert
from ipvae_snn.conversion.figures import ConversionReport
from ipvae_snn.data import ImageSet
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.report.json_files import write_json


def convert_and_save(
    network: FloatNetwork,
    data: ImageSet,
    settings: ConversionSettings,
    out: Path,
    report: Path | None = None,
    *,
    steps: int,
    seed: int,
) -> tuple[IntegerNetwork, ConversionReport]:
    """Calibrate on `data`, convert, and write the network and its report beside it."""
    calibration = calibrate(network, data.pixels, data.name, steps, seed)
    program, result = convert(network, calibration, settings)
    save_network(program, out)
    write_json(report or out.with_suffix(".report.json"), result.as_json())
    return program, result
