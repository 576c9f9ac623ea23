"""Memory of a training iteration, checked before the first one."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from ipvae_snn.config.settings import Config, DictionaryKind, NonlinearKind
from ipvae_snn.image_shape import ImageShape, n_pixels
from ipvae_snn.models.convolutional import positions_of
from ipvae_snn.models.decoders import hidden_units
from ipvae_snn.models.registry import COMPILED
from ipvae_snn.models.trainable import n_neurons
from ipvae_snn.storage import memory

NUMBER = 4  # bytes of a float32
KEPT = 4  # arrays per update and neuron that the backward pass needs: training/unrolled.py
SECOND = 3  # of a second sample, per step: training/second_sample.py
SCRATCH = 6  # arrays (B, K) of the backward pass
COPIES = 6  # of the dictionary: parameter, gradient, two moments, weighted, product
SHARED = 4  # of weights by distance: themselves, gradient, products of two kernels, stacked
# Arrays (B, K) and (B, M) per update that automatic differentiation keeps of a convolutional one
# whose competition goes through the pixels.
RECORDED = 14
RECORDED_PIXELS = 3
# Of a nonlinear decoder (measured): arrays of its hidden units, and of Gaussian latents.
RECORDED_UNITS = 9
RECORDED_LATENTS = 26


def require_iteration(config: Config, rows: int, shape: ImageShape) -> None:
    """Raise MemoryLimitError if an iteration on `rows` images would not fit into memory.

    Raises ConfigError if the dictionary does not fit the images.
    """
    k = n_neurons(config.model, shape)
    memory.require(
        NUMBER * _NUMBERS[config.model.dictionary](config, rows, shape, k),
        f"training {k} neurons with batches of {rows} images and {config.train.steps} steps",
        "lower train.batch_size, train.steps or "
        f"{_SIZE[config.model.dictionary]} (--set train.batch_size=N)",
    )


def _updates(config: Config) -> int:
    return config.train.steps * config.model.updates_per_step + 1


def _second(config: Config) -> int:
    """Return the arrays (B, K) that a second sample keeps."""
    return SECOND * config.train.steps * (config.train.samples - 1)


def _dense(config: Config, rows: int, shape: ImageShape, k: int) -> int:
    """Return the numbers kept.

    Only the history of updates grows with steps; rounding weights (quantise_aware) keeps one more
    array of it, and G (K, K) has its gradient beside it.
    """
    kept = KEPT + bool(config.train.quantise_aware)
    arrays = kept * _updates(config) + _second(config) + SCRATCH + config.data.frames
    history = rows * k * arrays
    return history + COPIES * n_pixels(shape) * k + 2 * k * k


def _untied(config: Config, rows: int, shape: ImageShape, k: int) -> int:
    """Return the numbers kept: both competitions' products, and their matrices' copies."""
    m, history = n_pixels(shape), rows * k * _updates(config)
    drive = rows * k * config.data.frames
    matrices = (1 + (config.model.start != "none")) * m * k + k * k
    return _dense(config, rows, shape, k) + history + drive + COPIES * matrices


def _convolutional(config: Config, rows: int, shape: ImageShape, k: int) -> int:
    """Return the numbers kept: those that are many grow linearly with the pixels."""
    p = positions_of(config.model, shape)
    scratch = (SCRATCH + config.data.frames + _second(config)) * k
    if config.model.kind != COMPILED or not p.by_distance:
        recorded = (RECORDED * k + RECORDED_PIXELS * p.n_pixels) * _updates(config)
        return rows * (recorded + scratch)
    a, b = p.reach
    weights = (2 * a + 1) * (2 * b + 1) * p.features**2
    # The drive lies in two orders, each with a gradient.
    drive = config.data.frames * (3 * k + p.n_pixels)
    return rows * (KEPT * k * _updates(config) + scratch + drive) + SHARED * weights


def _nonlinear(kind: NonlinearKind, config: Config, rows: int, shape: ImageShape, k: int) -> int:
    """Return the numbers kept by a tape through the decoder and its derivative."""
    hidden = hidden_units(config.model, shape, kind)
    recorded = RECORDED_LATENTS * k + RECORDED_UNITS * hidden + RECORDED_PIXELS * n_pixels(shape)
    return rows * recorded * _updates(config)


_NUMBERS: Final[Mapping[DictionaryKind, Callable[[Config, int, ImageShape, int], int]]] = (
    MappingProxyType(
        {
            "dense": _dense,
            "convolutional": _convolutional,
            "untied": _untied,
            "mlp": partial(_nonlinear, "mlp"),
            "deconvolutional": partial(_nonlinear, "deconvolutional"),
        }
    )
)
_SIZE: Final[Mapping[DictionaryKind, str]] = MappingProxyType(
    {
        "dense": "model.n_latents",
        "convolutional": "model.features",
        "untied": "model.n_latents",
        "mlp": "model.decoder_width",
        "deconvolutional": "model.decoder_width",
    }
)
