"""Memory of a training iteration, checked before the first one."""

from ipvae_snn.config.settings import Config
from ipvae_snn.storage import memory

NUMBER = 4  # bytes of a float32
KEPT = 4  # arrays per update and neuron that the backward pass needs: training/unrolled.py
SCRATCH = 6  # arrays (B, K) of the backward pass
COPIES = 6  # of the dictionary: parameter, gradient, two moments, weighted, product


def require_iteration(config: Config, rows: int, n_pixels: int) -> None:
    """Raise MemoryLimitError if an iteration on `rows` images would not fit into memory.

    Only the history of updates grows with steps; rounding weights (quantise_aware) keeps one more
    array of it, and G (K, K) has its gradient beside it.
    """
    model, train = config.model, config.train
    k = model.n_latents
    updates = train.steps * model.updates_per_step + 1
    kept = KEPT + bool(train.quantise_aware)
    history = rows * k * (kept * updates + SCRATCH + config.data.frames)
    weights = COPIES * n_pixels * k + 2 * k * k
    memory.require(
        NUMBER * (history + weights),
        f"training {k} neurons with batches of {rows} images and {train.steps} steps",
        "lower train.batch_size, train.steps or model.n_latents (--set train.batch_size=N)",
    )
