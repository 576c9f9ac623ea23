"""Operating points of what competes with the network: encoders, PCA and LCA."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.energy.amortised import Encoder, train, unit
from benchmarks.operating_points.networks import Asked, figures
from benchmarks.operating_points.quantised import Layer, Pass, quantised
from benchmarks.operating_points.rows import Row, bounds, pass_energies, row
from ipvae_snn.arrays import Float64, Floats
from ipvae_snn.conversion.lca import lca_network
from ipvae_snn.data.base import ImageSet
from ipvae_snn.evaluation.readout import linear_readout
from ipvae_snn.hw.chips.profile import ChipProfile
from ipvae_snn.inference.lca import Lca
from ipvae_snn.ir.encode import input_code
from ipvae_snn.metrics.quality import r2_per_image
from ipvae_snn.models.float_network import FloatNetwork

INT8: Final = "int8"
FLOAT: Final = "float"
CALIBRATION: Final = 10_000  # training images that set the units of 8 bits
LCA_IMAGES: Final = 1000


class OnePass(NamedTuple):
    """Layers that compute a code, and its decoder: image = code @ back + offset."""

    layers: tuple[Layer, ...]
    back: Float64
    offset: Float64


def encoder(network: FloatNetwork, training: ImageSet, hidden: int, signed: bool) -> OnePass:
    """Train an encoder for a network's dictionary."""
    fitted = train(network.phi, training.pixels, hidden, signed)
    return OnePass(
        layers_of(fitted), unit(network.phi).T.astype(np.float64), np.zeros(network.n_pixels)
    )


def layers_of(fitted: Encoder) -> tuple[Layer, Layer]:
    """Return the layers of a trained encoder."""
    first, second = (
        (one.weight.detach().numpy().astype(np.float64), one.bias.detach().numpy())
        for one in (fitted.first, fitted.second)
    )
    return (
        Layer(first[0], first[1].astype(np.float64), True),
        Layer(second[0], second[1].astype(np.float64), not fitted.signed),
    )


def pca(training: ImageSet, components: int) -> OnePass:
    """Return the projection on the first principal components, whose centre is in its bias."""
    pixels = training.pixels.astype(np.float64)
    centre = pixels.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((pixels - centre).T))
    basis = axes[:, ::-1][:, :components].T
    return OnePass((Layer(basis, -(basis @ centre), False),), basis, centre)


def pass_figures(
    one: OnePass,
    sets: Mapping[str, ImageSet],
    training: ImageSet,
    own: str,
    asked: Asked,
) -> dict[str, Any]:
    """Return the point of a pass on each data set in 8 bits, beside its R2 in floats."""
    integers = quantised(one.layers, training.pixels[:CALIBRATION])
    data = {
        name: {
            "images": len(images),
            "rows": [_point(one, integers, images.pixels, asked.profiles).as_json()],
        }
        for name, images in sets.items()
    }
    return {
        "synapses": integers.synapses,
        "data": data,
        "accuracy": _accuracy(integers, sets[own], asked),
    }


def _point(one: OnePass, integers: Pass, pixels: Floats, profiles: Sequence[ChipProfile]) -> Row:
    sent = integers.values(pixels)
    work = integers.activity(sent)
    codes = {INT8: sent[-1] * integers.layers[-1].unit, FLOAT: float_code(one.layers, pixels)}
    scores = {
        name: r2_per_image(pixels, code @ one.back + one.offset) for name, code in codes.items()
    }
    largest = int(max(np.abs(values).max() for values in sent[1:]))
    return row(
        np.ones(len(pixels), np.int64),
        scores,
        work,
        largest,
        pass_energies(profiles, integers.synapses, work),
    )


def float_code(layers: Sequence[Layer], pixels: Floats) -> Float64:
    """Return the code of images (N, M) in floats."""
    x = pixels.astype(np.float64)
    for layer in layers:
        x = x @ layer.weights.T + layer.bias
        x = np.maximum(x, 0.0) if layer.rectified else x
    return x


def _accuracy(integers: Pass, judged: ImageSet, asked: Asked) -> list[dict[str, Any]]:
    fitted = asked.fitted
    if fitted is None or fitted.labels is None or judged.labels is None:
        return []
    found = linear_readout(
        integers.code(fitted.pixels), fitted.labels, integers.code(judged.pixels), judged.labels
    )
    return [{"steps": 1, "code": INT8, "accuracy": bounds(found.accuracy)}]


def lca(
    network: FloatNetwork,
    penalty: float,
    training: ImageSet,
    sets: Mapping[str, ImageSet],
    own: str,
    asked: Asked,
) -> dict[str, Any]:
    """Return the points of the integer LCA network of a dictionary."""
    images = training.pixels[:LCA_IMAGES]
    code = input_code(network.input_kind, network.image_shape, float(np.abs(images).max()))
    integers, _ = lca_network(
        Lca.of(network.phi, penalty), images, code, max(asked.marks), name=training.name
    )
    return figures(integers, sets, own, asked)
