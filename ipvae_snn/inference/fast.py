"""Fast float32 inference on many images at once, with explicit state."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Float32, Float64, Floats
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.inference.gram_form import gram_form
from ipvae_snn.ir.encode import check_images
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.kernels import float32, rows
from ipvae_snn.kernels.rows import UNLIMITED, Engine, Progress, Share
from ipvae_snn.kernels.spike_products import SharedGram
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.stored_dictionary import StoredDictionary

NUMBER: Final[Any] = np.float32  # type of all arrays, which determines that of compiled code
ONE: Final = NUMBER(1.0)


@dataclass(frozen=True)
class GramNetwork:
    """A float network in Gram form for the kernel.

    G (K, K), threshold = exp(log_bias) (K,), u0 (K,). shared: the competition in place of G, of a
    convolutional dictionary. drive(pixels (N, M)) returns (N, K) in float64, so that the drive does
    not depend on the batching of images. Each step has `inner` updates, in
    which `leak`, the network's leak times its step size, pulls the potential back to its value at
    the start of the step. begin(pixels (N, M)) returns the first potentials of images, None where
    they are u0.
    """

    G: Float32
    shared: SharedGram | None
    drive: Callable[[Floats], Float64]
    threshold: Float32
    u0: Float32
    dictionary: StoredDictionary
    step_size: float
    clip: float
    floor: float
    inner: int
    leak: float
    image_shape: ImageShape
    input_kind: InputKind
    begin: Callable[[Floats], Float64 | None] = lambda pixels: None

    @property
    def engine(self) -> Engine:
        """The network as an engine of kernels/rows."""
        network = float32.Network(
            G=self.G,
            threshold=self.threshold,
            one=ONE,
            step_size=NUMBER(self.step_size),
            leak=NUMBER(self.leak),
            clip=NUMBER(self.clip),
            floor=NUMBER(self.floor),
            updates=self.inner,
        )
        return Engine(
            float32.advance_rows,
            (network, self.shared),
            self.u0,
            key=np.uint64,
            updates=self.inner,
            max_updates=UNLIMITED,
            keeps_range=True,
        )


def gram_network(network: FloatNetwork) -> GramNetwork:
    """Return the network in Gram form; products are formed in float64 and rounded once."""
    form, step_size = gram_form(network), float(np.exp(network.log_lr))
    shared = form.shared
    return GramNetwork(
        G=_float32(form.G),
        shared=None if shared is None else shared._replace(weights=_float32(shared.weights)),
        drive=form.drive,
        threshold=_float32(np.exp(network.log_bias.astype(np.float64))),
        u0=_float32(network.u0),
        dictionary=network.dictionary,
        step_size=step_size,
        clip=network.clip,
        floor=network.floor,
        inner=network.updates_per_step,
        leak=step_size * network.leak,
        image_shape=network.image_shape,
        input_kind=network.input_kind,
        begin=form.begin,
    )


def start(
    c: GramNetwork, pixels: Float32, kind: InputKind, name: str, seed: int = 0, first_image: int = 0
) -> Progress:
    """Return the images `pixels` (N, M) of `kind` before their first step.

    The noise of row n is keyed by the seed and first_image + n. Raises DataError if the images do
    not have the network's size or kind; `name` is the name of the images.
    """
    check_images(c.image_shape, c.input_kind, pixels, kind, name)
    drive = _float32(c.drive(pixels))
    return rows.start(c.engine, drive, seed, first_image, c.begin(pixels))


def show(c: GramNetwork, p: Progress, pixels: Float32, kind: InputKind, name: str) -> Progress:
    """Return the images with `pixels` (N, M), their next frame, in place of the present one.

    Potentials are carried over, and steps are counted on. Raises DataError as `start` does.
    """
    return rows.show(p, start(c, pixels, kind, name).drive)


def advance(
    c: GramNetwork, p: Progress, steps: int, threads: int = 1, trace: bool = False
) -> Progress:
    """Return the images `steps` >= 1 steps later; `p` is unchanged.

    The result does not depend on `threads`, nor on the division of images and steps into calls.
    Raises DataError if a potential is no longer a number.
    """
    done = rows.advance(c.engine, p, steps, threads, trace)
    finite = np.isfinite(done.state).all(axis=1)
    if not finite.all():
        raise DataError(
            f"image {int(p.images[np.argmin(finite)])}: a membrane potential is no longer a number "
            f"after {done.step} steps; the network's weights or the pixels are too large for "
            "float32"
        )
    return done


def counts(c: GramNetwork, p: Progress) -> Float32:
    """Return the first spike counts (N, K) of the next step, drawn at p.state."""
    z: Float32 = np.empty_like(p.state)
    share = Share(0, len(z), p.step * c.inner, 1, np.uint64(p.seed))
    float32.draw_rows(share, p.images, p.state, ONE, z)
    return z


def _float32(values: Floats) -> Float32:
    return np.ascontiguousarray(values, dtype=np.float32)
