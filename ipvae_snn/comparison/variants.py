"""Variants of a float network with one tensor or one rule of an integer network."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ipvae_snn.arrays import Float64, Int32
from ipvae_snn.backends import compiled
from ipvae_snn.comparison.paired_runs import Pair
from ipvae_snn.inference import reference
from ipvae_snn.inference.reference import Dynamics
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.units import RealNetwork, pixel_values, real_network
from ipvae_snn.kernels import rows as run
from ipvae_snn.kernels.float64 import Loop, Rules
from ipvae_snn.kernels.rows import Progress

FLOAT: Final = "float"  # the float network as it is
BASE: Final = "base"  # the same without the pixels that the integer network leaves out


@dataclass(frozen=True)
class Variant:
    """A float network with one part taken from the integer network.

    reference: the variant without that part; None for a variant that only serves as a reference.
    run: the variant whose run is the same; None if this one needs a run of its own. initial_state
    (K,): in nats. decoder (M, K). levels: the images are the integer network's 8-bit images.
    rounded: each update rounds the state to the integer grid. clamped: hard clamps replace soft
    ones. drawn: the integer sampler draws the counts. residual: the residual is rounded and
    limited, so the drive is computed through the pixels, by feed_forward (M, K) and prediction
    (M, K).
    """

    dynamics: Dynamics
    initial_state: Float64
    decoder: Float64
    reference: str | None = None
    run: str | None = None
    levels: bool = False
    rounded: bool = False
    clamped: bool = False
    drawn: bool = False
    residual: bool = False
    prediction: Float64 | None = None

    @property
    def plain(self) -> bool:
        """Whether all rules are the float network's, so that compiled code runs all steps."""
        return not (self.rounded or self.clamped or self.drawn or self.residual)


def variants(pair: Pair) -> dict[str, Variant]:
    """Return the variants that apply to the integer network, by the names of attribution.TEXTS.

    FLOAT and BASE come first; where no pixel is left out, FLOAT is the reference of all.
    """
    full = reference.dynamics(pair.network)
    means = real_network(pair.integer, full.step_size)
    phi = pair.network.phi.astype(np.float64)
    whole = Variant(full, full.u0, phi)
    result = {FLOAT: whole}
    name, base = FLOAT, full
    if not means.kept.all():
        name, base = BASE, reference.dynamics(pair.network, means.kept)
        result[BASE] = Variant(base, full.u0, phi)
        result["left_out_pixels"] = replace(result[BASE], reference=FLOAT, run=BASE)
    plain = Variant(base, full.u0, phi, name)
    apart = _tensors(base, phi, means, pair.integer)
    joined = apart.pop("weights_and_bias")
    result["pixel_levels"] = replace(plain, levels=True)
    result |= {key: replace(plain, dynamics=d) for key, d in apart.items()}
    result["initial_state"] = replace(
        plain,
        dynamics=replace(base, start=means.start),
        initial_state=means.initial_state,
    )
    result["weights_and_bias"] = replace(plain, dynamics=joined)
    if pair.integer.residual is not None:
        result["residual"] = replace(plain, residual=True, prediction=phi)
    result["state_rounding"] = replace(plain, rounded=True)
    result["clamps"] = replace(plain, clamped=True)
    result["sampler"] = replace(plain, drawn=True)
    result["decoder"] = replace(plain, decoder=means.decoder, run=name)
    result["together"] = Variant(
        dynamics=replace(joined, start=means.start),
        initial_state=means.initial_state,
        decoder=means.decoder,
        reference=FLOAT,
        levels=True,
        rounded=True,
        clamped=True,
        drawn=True,
        residual=means.prediction is not None,
        prediction=means.prediction,
    )
    return result


def _tensors(
    base: Dynamics, phi: Float64, means: RealNetwork, network: IntegerNetwork
) -> dict[str, Dynamics]:
    """Return the dynamics with the integer weights, self-inhibition or bias, and with all of them.

    Rows of G are sources. A two-layer circuit's competition is prediction, then feed-forward, plus
    the self-inhibition beyond that loop.
    """
    own, extra = np.diag(base.G), np.diag(means.self_inhibition)
    change: dict[str, Dynamics] = {}
    if means.lateral is not None:
        apart = base.G - np.diag(own)
        change["feedforward"] = replace(base, feed_forward=means.feed_forward)
        change["lateral"] = replace(base, G=means.lateral + np.diag(own))
        change["self_inhibition"] = replace(base, G=apart + extra)
        competition = means.lateral + extra
    else:
        prediction = phi if means.prediction is None else means.prediction
        looped = phi.T @ means.feed_forward
        change["feedforward"] = replace(base, feed_forward=means.feed_forward, G=looped)
        change["prediction"] = replace(base, G=prediction.T @ base.feed_forward)
        if network.neurons.self_inhibition.any():
            change["self_inhibition"] = replace(base, G=base.G + extra)
        competition = prediction.T @ means.feed_forward + extra
    change["bias"] = replace(base, bias=means.bias)
    change["weights_and_bias"] = replace(
        base, feed_forward=means.feed_forward, G=competition, bias=means.bias
    )
    return change


def last_step(
    pair: Pair, variant: Variant, rows: slice, steps: int, seed: int, threads: int = 1
) -> tuple[Int32, Float64]:
    """Return the last step's counts of images `rows`, and the potentials after it in nats: (n, K).

    steps: of each frame. The result does not depend on `threads`.
    """
    d = replace(variant.dynamics, u0=variant.initial_state)
    engine = reference.engine(d, None if variant.plain else _rules(pair, variant))
    done: Progress | None = None
    for frame in range(pair.frames):
        images, pixels = pair.shown(frame, rows)
        shown = pixel_values(pair.integer, pixels) if variant.levels else images.astype(np.float64)
        drive = shown if variant.residual else shown @ d.feed_forward
        if done is None:
            before = run.start(engine, drive, seed, rows.start, _first(pair, variant, d, shown))
        else:
            before = run.show(done, drive)
        done = run.advance(engine, before, steps, threads)
    if done is None:
        raise ValueError("sequences need a frame")
    return done.counts, done.state


def _first(pair: Pair, variant: Variant, d: Dynamics, shown: Float64) -> Float64 | None:
    """Return the first potentials (n, K) that a start gives images, in nats; None without one."""
    started = d.first(shown)
    return pair.nats(pair.rounded(started)) if started is not None and variant.rounded else started


def _rules(pair: Pair, variant: Variant) -> Rules:
    group = pair.integer.neurons
    return Rules(
        drawn=variant.drawn,
        clamped=variant.clamped,
        rounded=variant.rounded,
        looped=variant.residual,
        unit=pair.unit,
        lowest=group.state_min,
        highest=group.state_max,
        excitation_max=group.excitation_max * pair.unit,
        update_min=group.update_min * pair.unit,
        own=pair.integer.own_inhibition * (pair.unit / (1 << group.extra_bits)),
        sampling=compiled.prepare(pair.integer).constants.sampling,
        loop=_loop(pair, variant),
    )


def _loop(pair: Pair, variant: Variant) -> Loop:
    """Return the loop through the pixels; the rest of G's diagonal is self-inhibition."""
    d, prediction, layer = variant.dynamics, variant.prediction, pair.integer.residual
    beyond = np.zeros(len(d.bias))
    if prediction is None:
        prediction = np.zeros_like(d.feed_forward)
    else:
        beyond = np.diagonal(d.G) - np.einsum("mk,mk->k", prediction, d.feed_forward)
    return Loop(
        forward=np.ascontiguousarray(d.feed_forward),
        prediction=np.ascontiguousarray(prediction.T),
        beyond=beyond,
        value=float(pair.integer.input.scale),
        limit=float(layer.limit if layer else 0),
    )
