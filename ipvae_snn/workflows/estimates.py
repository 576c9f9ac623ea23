"""Memory of a command's work, estimated from shapes, and checked before the work.

Factors in bytes per entry are those that `tests/workflows/test_memory_measured.py` compares with
the peak that the system measures. N images, T steps, K neurons, M pixels.
"""

from typing import Final, NamedTuple

from ipvae_snn.ir.trace import RunRequest, require_memory
from ipvae_snn.storage import memory

FEWER: Final = "give fewer images (--limit)"
FEWER_OR_SHORTER: Final = "give fewer images (--limit) or steps (--steps)"


class Shape(NamedTuple):
    """Images N, steps T, neurons K and pixels M of some work."""

    images: int
    steps: int
    neurons: int
    pixels: int


def require_run(shape: Shape, request: RunRequest, floating: bool, saved: bool) -> None:
    """Raise MemoryLimitError if a run's results, what runs beside them, and its file do not fit.

    saved: the results are compressed in memory before they are written. Counts become a fifth of
    their size, integer potentials some 0.7, and those in float64 hardly less.
    """
    _, t, k, m = shape
    state = 8 if floating else 4
    working = 24 * k + 12 * m  # input currents, potentials and counts of all images, reconstruction
    entries = (t if request.trace else 1) * k
    file = entries * (1 + (8 if floating else 3)) if saved else 0
    sizes = k, m
    folder = ", or write to a folder (--out NAME)" if saved and not floating else ""
    extra = working + file
    require_memory(shape.images, sizes, request, state=state, extra=extra, remedy=folder)


def require_verify(shape: Shape, request: RunRequest, traces: int) -> None:
    """Raise MemoryLimitError if a back end's trace and the reference's do not fit.

    Comparing them, and a back end's own arrays, take some 10 bytes per image, step and neuron.
    """
    sizes = shape.neurons, shape.pixels
    extra = 10 * shape.steps * shape.neurons
    require_memory(shape.images, sizes, request, traces=traces, extra=extra)


def require_evaluation(shape: Shape, training: int, recorded: int, chunk: int) -> None:
    """Raise MemoryLimitError if an evaluation does not fit.

    All images keep rates, of which sparseness makes float64, and their figures at `recorded` steps.
    training: images of the read-out, whose rates are standardised. The rest is the run of a chunk,
    images that are run together, and the network in Gram form.
    """
    n, _, k, m = shape
    chunk = min(max(n, training), chunk)
    needed = (
        n * (44 * k + 240 * recorded)
        + training * 40 * k
        + chunk * (150 * k + 24 * m)
        + 12 * k * k
        + 20 * m * k
    )
    memory.require(needed, f"evaluating {k} neurons on {n + training} images", FEWER)


class Blocks(NamedTuple):
    """Division of a comparison: images and entries of a block, and images of an attribution."""

    images: int
    entries: int
    attributed: int


def require_comparison(
    shape: Shape, seeds: int, changes: int, recorded: int, blocks: Blocks
) -> None:
    """Raise MemoryLimitError if a comparison does not fit.

    A block of both runs takes 140 bytes per entry. Each of the `changes` keeps the last step of a
    chunk; two thirds of them have weights of their own. Figures of each image, side, seed and
    recorded step are kept.
    """
    n, t, k, m = shape
    block = min(blocks.images, n) * k
    entries = max(block, min(block * t, blocks.entries))
    needed = (
        140 * entries
        + changes * 12 * min(n, blocks.attributed) * k
        + 8 * max(3, changes * 2 // 3) * k * (k + m)
        + 64 * n * seeds * recorded
    )
    memory.require(needed, f"comparing {k} neurons on {n} images and {t} steps", FEWER_OR_SHORTER)


def require_energy(shape: Shape, chunk_bytes: int) -> None:
    """Raise MemoryLimitError if counting events and placing the network does not fit.

    The run is divided in chunks of counts and potentials of at most `chunk_bytes`. Placing needs
    synapses by source and target.
    """
    n, t, k, m = shape
    run = max(min(8 * n * t * k, chunk_bytes), 8 * t * k)
    needed = run * 12 // 5 + 48 * k * (k + m) + 20 * n * m
    memory.require(needed, f"running and placing {k} neurons with {n} images", FEWER_OR_SHORTER)
