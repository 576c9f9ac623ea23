"""How well a network explains the patches of single photographs."""

from pathlib import Path
from typing import Any, Final

from benchmarks.paper.measurements.codes import Network
from ipvae_snn.data.patches import vanhateren_photographs
from ipvae_snn.data.request import Request, resolve_root
from ipvae_snn.evaluation.evaluate import evaluate, request_of
from ipvae_snn.progress import Progress, Steps

Json = dict[str, Any]
NAME: Final = "vanhateren"
PATCHES: Final = 250  # of each photograph
SEED: Final = 0


def photographs_of(network: Network, root: Path | None, steps: int, report: Progress) -> Json:
    """Return R2 of one sample, zeros and the distance to the corner, of every photograph.

    Of PATCHES patches each, whitened as those that the network was trained on, after `steps` steps.
    root: folder of public data sets.
    """
    preparation = network.preparation
    request = Request(
        name=NAME,
        citation="",
        split="test",
        root=resolve_root(root),
        download=False,
        limit=None,
        patch_size=network.image_shape[0],
        n_patches=PATCHES,
        seed=SEED,
        whiten="olshausen" if preparation is None else preparation.whiten,
    )
    sets = vanhateren_photographs(request)
    done = Steps(report, len(sets) * PATCHES * steps)
    rows = []
    for images in sets:
        wanted = request_of(network, steps)
        last = evaluate(network, images, wanted, report=done.add).evaluation.last
        rows.append({"r2": last.r2.mean, "zeros": last.zeros.mean, "distance": last.corner.mean})
    return {"patches": PATCHES, "photographs": rows}
