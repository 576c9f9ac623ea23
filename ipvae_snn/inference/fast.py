"""Many images at once through the compiled float dynamics, with explicit state in and out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ipvae_snn.arrays import Float32, Float64, Floats, Int64, UInt64
from ipvae_snn.errors import DataError
from ipvae_snn.inference.reference import dynamics
from ipvae_snn.ir.encode import check_images
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.kernels.float32 import advance_rows, draw_rows
from ipvae_snn.kernels.threads import in_threads
from ipvae_snn.models.float_network import FloatNetwork


@dataclass(frozen=True)
class Circuit:
    """A float network in Gram form for the kernel.

    G (K, K), threshold = exp(log_bias) (K,), u0 (K,), phi (M, K); feed_forward (M, K) is float64,
    so that how images are batched does not show in the drive. Each step takes `inner` updates, in
    which `leak`, the network's leak times its step size, pulls the potential back to where the
    step began.
    """

    G: Float32
    feed_forward: Float64
    threshold: Float32
    u0: Float32
    phi: Float32
    step_size: float
    clip: float
    floor: float
    inner: int
    leak: float
    image_shape: tuple[int, int]
    input_kind: InputKind


@dataclass(frozen=True)
class Population:
    """N images after `steps` steps.

    b, u (N, K): feed-forward drive and membrane potential. before (N, K): potential at the start
    of the last step. peak (N, K): the largest potential so far. spikes (N,) int64: all spikes so
    far. images (N,) uint64: what the noise of each row is keyed by.
    """

    steps: int
    b: Float32
    u: Float32
    before: Float32
    peak: Float32
    spikes: Int64
    images: UInt64


def circuit(network: FloatNetwork) -> Circuit:
    """Return the network ready to run; products are formed in float64 and rounded once."""
    d = dynamics(network)
    return Circuit(
        G=_float32(d.G),
        feed_forward=d.feed_forward,
        threshold=_float32(d.bias),
        u0=_float32(d.u0),
        phi=_float32(network.phi),
        step_size=d.step_size,
        clip=d.clip,
        floor=d.floor,
        inner=network.updates_per_step,
        leak=d.step_size * network.leak,
        image_shape=network.image_shape,
        input_kind=network.input_kind,
    )


def start(c: Circuit, pixels: Float32, kind: InputKind, name: str, first_image: int) -> Population:
    """Return the population that sees images `pixels` (N, M) of `kind`, at the potentials u0.

    The noise of row n is keyed by first_image + n. Raises DataError if the images do not have
    the network's size or kind; `name` says whose they are.
    """
    check_images(c.image_shape, c.input_kind, pixels, kind, name)
    u = np.tile(c.u0, (len(pixels), 1))
    return Population(
        steps=0,
        b=_float32(pixels @ c.feed_forward),
        u=u,
        before=u,
        peak=u,
        spikes=np.zeros(len(pixels), np.int64),
        images=np.arange(first_image, first_image + len(pixels), dtype=np.uint64),
    )


def advance(c: Circuit, p: Population, steps: int, seed: int, threads: int = 1) -> Population:
    """Return the population after `steps` more steps; `p` is left as it was.

    The result does not depend on `threads`, nor on how images and steps are divided into calls.
    Raises DataError where a potential is no longer a number.
    """
    u, before, peak, spikes = p.u.copy(), p.before.copy(), p.peak.copy(), p.spikes.copy()
    number: Any = np.float32  # the type of all arrays, which compiled code follows

    def part(first: int, last: int) -> None:
        advance_rows(
            first, last, np.uint64(seed), p.images, p.steps * c.inner, steps * c.inner, c.inner,
            number(1.0), number(c.step_size), number(c.leak), number(c.clip),
            number(c.floor), c.threshold, c.G, p.b, u, before, peak, spikes,
        )  # fmt: skip

    in_threads(part, len(u), threads)
    finite = np.isfinite(u).all(axis=1)
    if not finite.all():
        raise DataError(
            f"image {int(p.images[np.argmin(finite)])}: a membrane potential is no longer a number "
            f"after {p.steps + steps} steps; the network's weights or the pixels are too large for "
            "float32"
        )
    return Population(p.steps + steps, p.b, u, before, peak, spikes, p.images)


def counts(c: Circuit, p: Population, seed: int) -> Float32:
    """Return the spike counts (N, K) that the next step begins with, drawn at potentials p.u."""
    z = np.empty_like(p.u)
    one: Any = z.dtype.type(1.0)
    draw_rows(
        0, len(z), np.uint64(seed), p.images, p.steps * c.inner, one, p.u, z
    )  # fmt: skip
    return z


def _float32(values: Floats) -> Float32:
    return np.ascontiguousarray(values, dtype=np.float32)
