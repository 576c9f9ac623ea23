"""Runs of images from the start of inference, a part of them at a time."""

from collections.abc import Iterator
from typing import Annotated, Final

from ipvae_snn.arrays import Float32
from ipvae_snn.data import ImageSet
from ipvae_snn.errors import ConfigError
from ipvae_snn.ir.prng import MAX_STEPS
from ipvae_snn.probing.recorder import Latents, Recorder
from ipvae_snn.progress import Progress

CHUNK_BYTES: Final = 1 << 27
PER_COUNT: Final = 8  # bytes of a count and a potential


def image_runs(
    recorder: Recorder, images: ImageSet, steps: int, seed: int, what: str, progress: Progress
) -> Iterator[tuple[Annotated[Float32, "n M"], Annotated[Latents, "n steps K"]]]:
    """Yield pixels, and the latents of every neuron and step, of all images in order.

    Images are shown from the start of inference, without a blank. progress counts image-steps of
    `what`. Raises ConfigError for more steps than a run may have.
    """
    if steps > MAX_STEPS:
        raise ConfigError(f"{steps} steps are more than the {MAX_STEPS} of a run; give fewer")
    n, size = len(images), max(1, CHUNK_BYTES // (PER_COUNT * steps * recorder.n_neurons))
    progress(what, 0, n * steps)
    for first in range(0, n, size):
        pixels = images.pixels[first : first + size]
        yield pixels, recorder.latents(pixels[:, None], steps, seed, first)
        progress(what, min(first + size, n) * steps, n * steps)
