"""Rounded connections of a convolutional network, from the kernels of its dictionary.

One row of weights belongs to all positions of a feature. It is rounded as a dense row is, with the
second moments of what the positions see, over images and positions. Positions at the edge see
fewer neighbours, which the bias of each neuron compensates.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.covariance import ledoit_wolf

from ipvae_snn.arrays import Array, Float32, Float64, Int64
from ipvae_snn.conversion.calibration import Calibration
from ipvae_snn.conversion.circuits import RoundedCircuit, Rounding, energy_rates
from ipvae_snn.conversion.competition import SharedCompetition, spread
from ipvae_snn.conversion.decoders import DECODER_LEVELS
from ipvae_snn.conversion.quantise import QuantisedRows, least_salient, quantise_rows
from ipvae_snn.conversion.second_moments import RIDGE, WITHIN
from ipvae_snn.conversion.stability import LOG2E, RequiredInhibition
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses
from ipvae_snn.ir.weights import Convolution, Geometry, Transposed
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.models.shared_kernels import SharedKernels

COUNT_RIDGE: Final = 1.0  # of the mean second moment of what a position sees of counts
SAMPLE_ELEMENTS: Final = 30_000_000  # of what positions see, for the second moments


@dataclass(frozen=True)
class SharedTarget:
    """Real kernels that the integers approximate, in units of the potential per step.

    feedforward (F, C, height, width): drive per unit of pixel. competition: inhibition per spike.
    threshold (K,), soft, unit: as `circuits.Target` has them.
    """

    feedforward: Float64
    competition: SharedCompetition
    positions: KernelPositions
    threshold: Float64
    soft: float
    unit: float

    @property
    def law(self) -> SharedCompetition:
        """The competition, as its stability is judged."""
        return self.competition

    @property
    def own(self) -> Float64:
        """Self-inhibition (K,) per spike."""
        return self.competition.own


@dataclass(frozen=True)
class _Moments:
    """Second moments over images and positions: P pixels and J counts that a position sees."""

    pixel_covariance: Float64
    regression: Float64
    counts: Float64


def shared_target(
    network: FloatNetwork, dictionary: SharedKernels, fraction_bits: int
) -> SharedTarget:
    """Return the network's kernels in float64; see `circuits.target_of` for the soft clip."""
    unit = LOG2E * (1 << fraction_bits)
    step = float(np.exp(network.log_lr)) * unit
    p = dictionary.positions
    precision = np.exp(-2.0 * network.log_sigma.astype(np.float64))
    by_channel = dictionary.shared_pixels(precision)
    weighted = step * dictionary.kernels.astype(np.float64) * by_channel
    by_distance = dictionary.competition_by_distance(precision)
    assert by_distance is not None  # of shared kernels
    return SharedTarget(
        feedforward=np.ascontiguousarray(weighted.transpose(0, 3, 1, 2)),
        competition=SharedCompetition(step * _square(by_distance), p.rows, p.columns),
        positions=p,
        threshold=step * np.exp(network.log_bias.astype(np.float64)),
        soft=float(np.exp(-network.clip)) * unit,
        unit=unit,
    )


def shared_one_layer(
    target: SharedTarget,
    calibration: Calibration,
    code: InputCode,
    rounding: Rounding,
    required: RequiredInhibition,
) -> RoundedCircuit:
    """Return the one-layer circuit, as `circuits.one_layer` does, with convolutions."""
    p, law = target.positions, target.competition
    features, reach, places = p.features, law.reach, p.rows * p.columns
    moments = _moments(target, calibration)
    order = _own_first(features, reach)
    wanted = law.kernel.reshape(features, -1)[:, order]
    off_diagonal = -wanted
    np.fill_diagonal(off_diagonal, 0.0)
    hessian = moments.counts[np.ix_(order, order)]
    lateral = quantise_rows(
        off_diagonal,
        hessian,
        rounding.back_bits,
        0,
        rounding.max_count,
        "lateral",
        keep_diagonal=True,
        pruned=least_salient(off_diagonal, hessian, rounding.sparsity),
    )
    expressed = -lateral.real
    own = np.diagonal(wanted) - lateral.kept
    np.fill_diagonal(expressed, own)
    rates = energy_rates(calibration)
    margin = _law(expressed, order, p).energy_margin(target.threshold, rates)
    shift = max(0.0, -margin)
    strengthened = required.strengthened(own + shift + target.soft) - target.soft
    np.fill_diagonal(expressed, strengthened)
    lost = (wanted - expressed)[:, np.argsort(order)]
    rows = target.feedforward.reshape(features, -1)
    feedforward = quantise_rows(
        (rows - lost @ moments.regression) * code.scale,
        moments.pixel_covariance / code.scale**2,
        rounding.feedforward_bits,
        *code.payload_range,
        "feedforward",
    )
    unexpressed = rows - feedforward.real / code.scale
    pixel_mean = calibration.pixels.mean(axis=0, dtype=np.float64)
    seen = _patches(pixel_mean[None], code.image_shape, p)[0] @ unexpressed.T
    missed = spread(calibration.count_mean, p.rows, p.columns, reach) @ lost.T
    compensation = (seen - missed).T.reshape(-1)
    return RoundedCircuit(
        feedforward=_placed(feedforward, _feedforward_geometry(p), places),
        back=_placed(lateral, _lateral_geometry(p, reach), places, np.argsort(order)),
        self_inhibition=np.repeat(strengthened + target.soft, places),
        loop_inhibition=np.zeros(features * places),
        bias=compensation - target.threshold - target.soft,
        competition=_law(expressed + target.soft * np.eye(*expressed.shape), order, p),
        shift=shift,
        strengthened=places * int((strengthened > own + shift + 1e-9).sum()),
        residual_limit=0,
    )


def shared_decoder(kernels: Float32, positions: KernelPositions) -> Decoder:
    """Return the decoder of kernels (F, height, width, C), one scale for each channel."""
    largest = np.abs(kernels.astype(np.float64)).max(axis=(0, 1, 2))
    scale = largest / DECODER_LEVELS
    levels = np.rint(kernels / np.where(scale > 0, scale, 1.0)).astype(np.int16)
    weights = Transposed(
        np.ascontiguousarray(levels.transpose(0, 3, 1, 2)), _feedforward_geometry(positions)
    )
    each = np.tile(scale.astype(np.float32), positions.n_pixels // positions.channels)
    return Decoder(weights, each)


def _moments(target: SharedTarget, calibration: Calibration) -> _Moments:
    """Return the moments of what positions see, as `second_moments` does for whole images."""
    p, reach = target.positions, target.competition.reach
    places = p.rows * p.columns
    width = p.features * (2 * reach + 1) ** 2
    n_images = calibration.images
    kept = min(n_images * places, max(width, SAMPLE_ELEMENTS // width))
    chosen = np.sort(np.random.default_rng(0).choice(n_images * places, kept, replace=False))
    x = _patches(calibration.pixels, p.image_shape, p).reshape(n_images * places, -1)[chosen]
    x = x.astype(np.float64)
    z = np.empty((kept, width))
    for image in np.unique(chosen // places):
        mine = np.flatnonzero(chosen // places == image)
        seen = spread(calibration.mean_counts[image], p.rows, p.columns, reach)
        z[mine] = seen[chosen[mine] % places]
    x, z = x - x.mean(axis=0), z - z.mean(axis=0)
    shrunk, _ = ledoit_wolf(x, assume_centered=True)
    ridge = RIDGE * np.trace(shrunk) / len(shrunk)
    cross = z.T @ x / kept
    regression = np.linalg.solve(shrunk + ridge * np.eye(len(shrunk)), cross.T).T
    residual = z - x @ regression.T
    within = spread(calibration.count_variance, p.rows, p.columns, reach).mean(axis=0)
    counts = residual.T @ residual / kept + WITHIN * np.diag(within)
    # Without it errors gather in patterns that calibration hardly shows, and self-inhibition has to
    # hold them (docs/numerics.md).
    counts += COUNT_RIDGE * np.trace(counts) / width * np.eye(width)
    return _Moments(shrunk, regression, counts)


def _patches(pixels: Float32 | Float64, shape: ImageShape, p: KernelPositions) -> Array:
    """Return the pixels (N, positions, C height width) that kernels see of images (N, M)."""
    images = pixels.reshape(len(pixels), *shape[:2], p.channels)
    windows = sliding_window_view(images, p.kernel, axis=(1, 2))[:, :: p.stride, :: p.stride]
    seen: Array = windows.reshape(len(pixels), p.rows * p.columns, -1)
    return seen


def _square(by_distance: Float64) -> Float64:
    """Return competition (F, 2 a + 1, 2 b + 1, F) as a kernel (F, F, 2 p + 1, 2 p + 1)."""
    features, high, wide, _ = by_distance.shape
    side = max(high, wide)
    kernel = np.zeros((features, features, side, side))
    down, right = (side - high) // 2, (side - wide) // 2
    kernel[:, :, down : down + high, right : right + wide] = by_distance.transpose(0, 3, 1, 2)
    return kernel


def _own_first(features: int, reach: int) -> Int64:
    """Return an order of the seen counts in which feature f at its own place comes f-th."""
    window = (2 * reach + 1) ** 2
    own = np.arange(features) * window + window // 2
    rest = np.setdiff1d(np.arange(features * window), own)
    return np.concatenate([own, rest]).astype(np.int64)


def _law(rows: Float64, order: Int64, p: KernelPositions) -> SharedCompetition:
    """Return rows (F, J) in the given order as a competition by distance."""
    side = round(np.sqrt(rows.shape[1] / p.features))
    kernel = rows[:, np.argsort(order)].reshape(p.features, p.features, side, side)
    return SharedCompetition(kernel, p.rows, p.columns)


def _feedforward_geometry(p: KernelPositions) -> Geometry:
    height, width = p.image_shape[:2]
    return Geometry(p.channels, height, width, *p.kernel, p.features, p.stride, 0, True)


def _lateral_geometry(p: KernelPositions, reach: int) -> Geometry:
    side = 2 * reach + 1
    return Geometry(p.features, p.rows, p.columns, side, side, p.features, 1, reach, False)


def _placed(
    rows: QuantisedRows, geometry: Geometry, places: int, order: Int64 | None = None
) -> QuantisedRows:
    """Return rows of features as a convolution whose positions share weights and scales."""
    g, matrix = geometry, rows.connection.matrix
    matrix = matrix if order is None else matrix[:, order]
    kernel = matrix.reshape(g.features, g.channels, g.kernel_height, g.kernel_width)
    connection = Synapses(
        Convolution(np.ascontiguousarray(kernel), g),
        np.repeat(rows.connection.multiplier, places),
        np.repeat(rows.connection.shift, places),
    )
    return QuantisedRows(
        connection,
        np.repeat(rows.scale, places),
        np.repeat(rows.kept, places),
        rows.clipped,
        rows.error,
        rows.bits_used,
    )
