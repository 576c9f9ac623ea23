"""From a float network to integers, to a chip's cores, and to other programs."""

import os
from pathlib import Path

from ipvae_snn.config.settings import Motion
from ipvae_snn.data.given import ImageSource
from ipvae_snn.ir.circuits import Circuit
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.networks import NetworkSource, load, load_integer, network_path
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.workflows import convert as conversions
from ipvae_snn.workflows import export as exports
from ipvae_snn.workflows import mapping as mappings
from ipvae_snn.workflows.convert import CalibrationSettings, ConversionResult
from ipvae_snn.workflows.export import Exported
from ipvae_snn.workflows.mapping import ChipSettings, EventSettings, MappingResult
from ipvae_snn.workflows.moving import motion_of


def convert(
    network: NetworkSource,
    calibrate: ImageSource | None = None,
    *,
    bits: int = 8,
    feedforward_bits: int | None = None,
    lateral_bits: int | None = None,
    circuit: Circuit = "one-layer",
    sparsity: float = 0.0,
    decode: str = "sample",
    readout: bool = False,
    images: int | None = None,
    frames: int | None = None,
    motion: Motion | None = None,
    steps: int = 48,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    data_root: Path | None = None,
    progress: Progress = ignore,
) -> ConversionResult:
    """Convert a float network to integers of `bits` bits, calibrated on images.

    calibrate: by default the training split of the set on which the network was trained. images,
    steps: numbers of images and steps for it; by default 2,000 images up to 800 neurons, then fewer
    in proportion, and 100 at least. frames, motion: of sequences, as in `evaluate_moving`, in place
    of still images; images are then all frames, and steps those of each. decode: what the network
    reconstructs from, as in `run`. readout: attach accumulators that add up the scores of the
    images' classes (docs/ir.md). out: file for the integer network, with its report beside it.
    Raises ConversionError if integers cannot express the network, DataError for images that do not
    fit, OutputError if a file cannot be written.
    """
    return conversions.convert(
        network,
        conversions.settings_of(
            bits,
            feedforward_bits,
            lateral_bits,
            circuit=circuit,
            sparsity=sparsity,
            decode=decode,
        ),
        CalibrationSettings(
            calibrate,
            images,
            steps,
            seed,
            data_root=data_root,
            moving=motion_of(frames, motion),
        ),
        conversions.ReadoutSettings() if readout else None,
        out=None if out is None else Path(out),
        overwrite=overwrite,
        progress=progress,
    )


def map_network(
    network: NetworkSource,
    profile: str | os.PathLike[str] = "loihi2",
    images: ImageSource | None = None,
    *,
    chips: int | None = None,
    steps: int = 64,
    limit: int = 20,
    picture: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    data_root: Path | None = None,
    progress: Progress = ignore,
) -> MappingResult:
    """Check a network against a chip's limits and place it on the chip's cores.

    profile: a name, or a .toml file. images: to count events; without them every neuron is assumed
    to send one event per step. The result says whether the network fits; its `require_fit()`
    raises an error if not. picture: file for the placement.
    """
    return mappings.map_network(
        load_integer(network, "map"),
        ChipSettings(os.fspath(profile), chips=chips),
        EventSettings(data=images, limit=limit, steps=steps, data_root=data_root),
        picture=None if picture is None else Path(picture),
        overwrite=overwrite,
        progress=progress,
    )


def export(
    network: NetworkSource,
    target: str,
    out: str | os.PathLike[str],
    *,
    check: bool = True,
    progress: Progress = ignore,
) -> Exported:
    """Export a network to the folder `out`: target "onnx", "lava", "snntorch", "norse" or your own.

    check: run the export and compare it with the reference before it appears in `out`. Raises
    BackendUnavailableError if the check cannot run here, DataError if `out` holds files that such
    an export did not write, OutputError if it cannot be written or holds the network itself.
    """
    if isinstance(network, str | os.PathLike):
        return exports.export_file(network_path(network), target, Path(out), check)
    loaded = load(network)
    if isinstance(loaded, IntegerNetwork):
        return exports.export_integer(loaded, target, Path(out), check, progress)
    return exports.export_float(loaded, target, Path(out), check, progress)
