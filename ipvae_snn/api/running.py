"""Run a network on images, and compare back ends."""

from collections.abc import Sequence
from pathlib import Path

from ipvae_snn.config.settings import Motion
from ipvae_snn.data.given import ImageSource
from ipvae_snn.errors import BackendError
from ipvae_snn.ir.back_ends import DEFAULT
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.networks import NetworkSource, load, load_integer, named
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.workflows import run as runs
from ipvae_snn.workflows import verify as verifications
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.moving import asked_of, encoded_as, motion_of, warn_if_still
from ipvae_snn.workflows.run import RunResult
from ipvae_snn.workflows.verify import BACKENDS, Verification


def run(
    network: NetworkSource,
    images: ImageSource,
    *,
    steps: int = 64,
    seed: int = 0,
    trace: bool = False,
    limit: int | None = None,
    backend: str | None = None,
    split: str = "test",
    data_root: Path | None = None,
) -> RunResult:
    """Show images to a network for `steps` steps; the counts do not depend on the back end.

    backend: by default `compiled` for an integer network; a float one runs on the same uniforms.
    trace: keep counts and potentials of every step, (N, T, K) each. Raises DataError for images
    that do not fit the network, BackendError if the back end fails.
    """
    loaded, request = load(network), RunRequest(steps, seed, trace=trace)
    warn_if_still(loaded, named(network))
    if isinstance(loaded, IntegerNetwork):
        shown = ImageChoice(images, split, limit, data_root).encoded_for(loaded)
        return runs.run_integer(loaded, shown, request, backend or DEFAULT)
    if backend not in (None, runs.FLOAT):
        raise BackendError(
            f"{loaded!r} is float, which the back end {backend!r} does not run; convert it first"
        )
    given = ImageChoice(images, split, limit, data_root).loaded_for(loaded)
    return runs.run_float(loaded, given, request)


def verify(
    network: NetworkSource,
    images: ImageSource,
    *,
    backends: Sequence[str] = BACKENDS,
    frames: int | None = None,
    motion: Motion | None = None,
    steps: int = 64,
    seed: int = 0,
    limit: int = 20,
    split: str = "test",
    data_root: Path | None = None,
    progress: Progress = ignore,
) -> Verification:
    """Compare back ends with the reference, count by count and state by state.

    frames: of sequences, over which potentials carry over; None for still images. steps are then
    those of a frame, and limit counts sequences. motion: as in `evaluate_moving`.

    The result contains the first place of a divergence; its `require_equal()` raises an error
    then. Raises BackendUnavailableError if a back end cannot run here.
    """
    loaded = load_integer(network, "verify")
    moving = asked_of(motion_of(frames, motion), loaded, named(network))
    choice = ImageChoice(images, split, limit, data_root, report=progress)
    shown = encoded_as(loaded, choice, moving)
    request = RunRequest(steps, seed, trace=True)
    return verifications.verify(loaded, shown, request, backends, progress, moving)
