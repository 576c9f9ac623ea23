"""Probe a network as a physiologist would."""

import os
from collections.abc import Iterable
from pathlib import Path

from ipvae_snn.data.given import ImageSource
from ipvae_snn.models.networks import NetworkSource
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.picture_files import picture_folder
from ipvae_snn.workflows import probe as probes
from ipvae_snn.workflows.probe import ProbeResult, ProbeSettings


def probe(
    network: NetworkSource,
    stimulus: str | Iterable[str] = "all",
    *,
    neurons: int = 16,
    steps: int | None = None,
    seed: int = 0,
    images: ImageSource | None = None,
    limit: int = 100,
    split: str = "test",
    data_root: Path | None = None,
    pictures: str | os.PathLike[str] | None = None,
    picture_format: str = "png",
    overwrite: bool = False,
    progress: Progress = ignore,
) -> ProbeResult:
    """Show stimuli to a network of any kind, and measure the responses of its neurons.

    stimulus: "gabor", "gratings", "contrast", "plaids", "noise", "bar", "sparsification",
    "recombination", "prior", several of them, or "all" (docs/probing.md). neurons: number that is
    recorded, chosen by the seed among those that a Gabor function describes. steps: of a grating
    and of no input, by default 128; of an image of sparsification and recombination, by default
    512. images: of these two, by default of the network's training set. pictures, picture_format:
    as in `evaluate`.
    `result.report.outcomes` holds the figures by stimulus. Raises DataError for a network that has
    no such neurons, or images that do not fit.
    """
    settings = ProbeSettings(
        (stimulus,) if isinstance(stimulus, str) else tuple(stimulus),
        neurons,
        steps,
        seed,
        images,
        split,
        limit,
        data_root,
    )
    return probes.probe(
        network,
        settings,
        pictures=picture_folder(pictures, picture_format),
        overwrite=overwrite,
        progress=progress,
    )
