"""How networks of each kind of dictionary become circuits: dense ones, and convolutional ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import numpy as np

from ipvae_snn.backends.compiled import prepare, start
from ipvae_snn.conversion.calibration import Calibration
from ipvae_snn.conversion.circuits import (
    AnyTarget,
    RoundedCircuit,
    Rounding,
    Target,
    one_layer,
    target_of,
    two_layer,
)
from ipvae_snn.conversion.decoders import dense_decoder
from ipvae_snn.conversion.second_moments import second_moments
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.conversion.shared import (
    SharedTarget,
    shared_decoder,
    shared_one_layer,
    shared_target,
)
from ipvae_snn.conversion.stability import RequiredInhibition
from ipvae_snn.errors import ConversionError
from ipvae_snn.ir.circuits import Circuit
from ipvae_snn.ir.encode import levels
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Decoder, InputCode
from ipvae_snn.kernels import rows
from ipvae_snn.kernels.threads import n_threads
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.shared_kernels import SharedKernels
from ipvae_snn.watcher import current_watcher

DECODER_RIDGE: Final = 0.02  # of the mean square of the counts


@dataclass(frozen=True)
class Way:
    """The parts of a conversion that depend on the dictionary.

    build takes the target that `target` returned. fit returns the network with a decoder that is
    fitted to its own counts.
    """

    target: Callable[[FloatNetwork, Calibration, int], AnyTarget]
    build: Callable[[Any, Calibration, InputCode, Rounding, RequiredInhibition], RoundedCircuit]
    decoder: Callable[[FloatNetwork], Decoder]
    fit: Callable[[IntegerNetwork, FloatNetwork, Calibration], IntegerNetwork]


def way_of(network: FloatNetwork, settings: ConversionSettings) -> Way:
    """Return how `network` is converted; raises ConversionError for what its kind cannot do."""
    kind = network.dictionary.kind
    found = _WAYS.get((kind, settings.circuit))
    if found is None:
        article = "an" if kind[0] in "aeiou" else "a"
        raise ConversionError(
            f"{article} {kind} network has no {settings.circuit} circuit; convert it with "
            "--circuit one-layer"
        )
    return found


def _dense_target(network: FloatNetwork, calibration: Calibration, fraction_bits: int) -> Target:
    return target_of(network, calibration.active, fraction_bits)


def _one_layer(
    target: Target,
    calibration: Calibration,
    code: InputCode,
    rounding: Rounding,
    required: RequiredInhibition,
) -> RoundedCircuit:
    return one_layer(target, calibration, second_moments(calibration), code, rounding, required)


def _two_layer(
    target: Target,
    calibration: Calibration,
    code: InputCode,
    rounding: Rounding,
    required: RequiredInhibition,
) -> RoundedCircuit:
    return two_layer(target, calibration, second_moments(calibration), code, rounding, required)


def _dense_decoder(network: FloatNetwork) -> Decoder:
    return dense_decoder(network.phi.astype(np.float64))


def _shared_target(
    network: FloatNetwork, calibration: Calibration, fraction_bits: int
) -> SharedTarget:
    return shared_target(network, _kernels(network), fraction_bits)


def _shared_decoder(network: FloatNetwork) -> Decoder:
    dictionary = _kernels(network)
    return shared_decoder(dictionary.kernels, dictionary.positions)


def _kernels(network: FloatNetwork) -> SharedKernels:
    return cast(SharedKernels, network.dictionary)  # the kind says so


def _as_it_is(
    integer: IntegerNetwork, network: FloatNetwork, calibration: Calibration
) -> IntegerNetwork:
    return integer


def _fit_decoder(
    integer: IntegerNetwork, network: FloatNetwork, calibration: Calibration
) -> IntegerNetwork:
    """Return the network with a decoder that is fitted to its own counts.

    The dictionary changes as little as possible (ridge regression). Applied to the integer
    network's mean counts, it gives what Phi gives for the float network's, for each calibration
    image.
    """
    prepared = prepare(integer)
    first = start(prepared, levels(integer.input, calibration.pixels))
    report = current_watcher().progress
    steps = calibration.steps
    counts = rows.advance(prepared.engine, first, steps, n_threads(), report=report).counts_sum
    mean = counts / calibration.steps
    phi = network.phi.astype(np.float64)
    missed = (calibration.mean_counts - mean) @ phi.T
    power = mean.T @ mean / len(mean)
    ridge = DECODER_RIDGE * np.trace(power) / len(power) + 1e-12
    moved = np.linalg.solve(power + ridge * np.eye(len(power)), mean.T @ missed / len(mean))
    return replace(integer, decoder=dense_decoder(phi + moved.T))


_DENSE: Final = Way(_dense_target, _one_layer, _dense_decoder, _fit_decoder)
_SHARED: Final = Way(_shared_target, shared_one_layer, _shared_decoder, _as_it_is)
_WAYS: Final[Mapping[tuple[str, Circuit], Way]] = {
    ("dense", "one-layer"): _DENSE,
    ("dense", "two-layer"): replace(_DENSE, build=_two_layer),
    ("convolutional", "one-layer"): _SHARED,
    ("untied", "one-layer"): _DENSE,
}
