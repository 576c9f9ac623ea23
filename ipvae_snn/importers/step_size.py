"""A step size at which competition is stable, chosen on images and proved by conversion.

The linearised update is 1 - step G diag(rate), with G = phi^T diag(1/sigma^2) phi. Potentials
oscillate where step * (largest eigenvalue of sqrt(rate) G sqrt(rate)), the loop gain, reaches 2
(`conversion.stability`). Half a unit of gain leaves room for images of more than average contrast.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ipvae_snn.arrays import Float64
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.conversion.stability import loop_gain
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConversionError
from ipvae_snn.models.float_network import FloatNetwork

GAIN: Final = 0.5
LARGEST_GAIN: Final = 1.0  # measured on images; more is reduced to GAIN
IMAGES: Final = 200
STEPS: Final = 48
TRIES: Final = 16


@dataclass(frozen=True)
class ChosenStep:
    """A network with a step size that a conversion to 8 bits certifies.

    gain: the loop gain at the measured mean rates. tries: number of step sizes that were tried.
    """

    network: FloatNetwork
    gain: float
    tries: int


def choose_step(network: FloatNetwork, images: ImageSet) -> ChosenStep:
    """Return the network with a stable step size, from its expected rates exp(u0) downwards.

    Its own log_lr is not used. A step size is accepted if the loop gain at the measured rates is at
    most 1 and conversion can prove stability. Raises ConversionError if no step size is accepted.
    """
    gram = _gram(network)
    expected = loop_gain(gram, np.exp(network.u0.astype(np.float64)))
    if not expected > 0:
        raise ConversionError(
            "the dictionary is 0, so that no image drives any neuron; is it the right file?"
        )
    step, refusal = GAIN / expected, ""
    for tried in range(1, TRIES + 1):
        network = replace(network, log_lr=float(np.float32(math.log(step))))
        calibration = calibrate(network, images.pixels[:IMAGES], images.name, STEPS)
        gain = step * loop_gain(gram, calibration.count_mean)
        if gain > LARGEST_GAIN:
            # Not by the gain itself: rates that ran away say little about those of a smaller step.
            refusal, step = f"the loop gain is {gain:.3g}", step / 4
            continue
        try:
            convert(network, calibration, ConversionSettings())
        except ConversionError as error:
            refusal, step = str(error), step / 2
            continue
        return ChosenStep(network, gain, tried)
    raise ConversionError(
        f"no step size down to {step:.3g} is stable on {images.name} ({refusal}); name images like "
        "those that the network was made for"
    )


def _gram(network: FloatNetwork) -> Float64:
    phi = network.phi.astype(np.float64)
    precision = np.exp(-2.0 * network.log_sigma.astype(np.float64))
    result: Float64 = phi.T @ (phi * precision[:, None])
    return result
