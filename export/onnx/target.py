"""The target `onnx`: three models for ONNX Runtime."""

from pathlib import Path
from typing import Final

from ipvae_snn.export.self_check import REQUEST, check_pixels
from ipvae_snn.export.targets import Target, Writer
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork


def _write(network: IntegerNetwork, folder: Path) -> None:
    from ipvae_snn.export.onnx.files import write_onnx

    write_onnx(network, folder)


def _check(network: IntegerNetwork, folder: Path) -> None:
    from ipvae_snn.export.onnx.files import check_files

    check_files(folder, network, check_pixels(network), REQUEST)


def _write_float(network: FloatNetwork, folder: Path) -> None:
    from ipvae_snn.export.onnx.files import write_float_onnx

    write_float_onnx(network, folder)


def _check_float(network: FloatNetwork, folder: Path) -> None:
    from ipvae_snn.export.onnx.files import check_float_files

    check_float_files(folder, network)


ONNX: Final = Target(
    name="onnx",
    help="models for ONNX Runtime; of a float checkpoint too.",
    files=frozenset(("README.md", "check.npz", "encode.onnx", "inference.onnx", "step.onnx")),
    integer=Writer(_write, _check),
    floating=Writer(_write_float, _check_float),
)
