"""Single steps of a circuit, for tests and exports that take its parts apart.

The states and counts of a circuit's one computing population are arrays (N, K) here.
"""

import numpy as np
import numpy.typing as npt

from ipvae_snn.errors import BackendError
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.circuits import FEEDFORWARD, RESIDUAL
from ipvae_snn.ir.interpreter import Keys, Shown
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import NEURONS
from ipvae_snn.ir.shapes import Held, Images, PerImage, PerNeuron, PerPixel, Saturated


def held(network: IntegerNetwork, pixels: Images) -> Held:
    """Return what the circuit keeps of images while they are shown.

    One-layer: the input current (N, K) in 2**-(fraction_bits + extra_bits) octaves per step.
    Two-layer: the payload (N, M) that the residual neurons compare with the prediction.
    """
    payload = pixels.astype(np.int64) - network.input.zero_point
    return payload if network.relays else forward(network, payload)


def forward(network: IntegerNetwork, payload: PerPixel) -> PerNeuron:
    """Return the current (N, K) that a payload (N, M) causes through the feed-forward weights."""
    connection = network.connection(FEEDFORWARD)
    return interpreter.scaled_sums(connection, payload) + network.neurons.bias


def sample(
    network: IntegerNetwork, state: PerNeuron, seed: int, images: npt.ArrayLike, step: int
) -> PerNeuron:
    """Return the spike counts of one step, drawn at membrane potentials `state`."""
    return interpreter.send(network, _states(network, state), Keys(seed, images, step))[NEURONS]


def residual(
    network: IntegerNetwork, payload: PerPixel, counts: PerNeuron
) -> tuple[PerPixel, PerImage]:
    """Return the residual neurons' graded spikes, and how many saturated."""
    if not network.relays:
        raise BackendError("interpreter: a one-layer circuit has no residual neurons")
    sent, saturated = interpreter.relay(network, Shown(payload, {}), {NEURONS: counts})
    return sent[RESIDUAL], saturated


def drive(network: IntegerNetwork, held: Held, counts: PerNeuron) -> tuple[PerNeuron, PerImage]:
    """Return the change of the potentials before any clamp, and how many residuals saturated."""
    shown, sent = _shown(network, held), _sent(network, counts)
    payloads, saturated = interpreter.relay(network, shown, sent)
    total = interpreter.total_of(network, network.population(NEURONS), shown, payloads)
    group = network.neurons
    return total + group.bias - group.self_inhibition * counts, saturated


def integrate(
    network: IntegerNetwork, state: PerNeuron, held: Held, counts: PerNeuron
) -> tuple[PerNeuron, Saturated]:
    """Return the membrane potentials after the counts of this step have competed.

    The second result is how many neurons saturated, by trace.SATURATIONS.
    """
    shown, sent = _shown(network, held), _sent(network, counts)
    after, saturated = interpreter.integrate(network, _states(network, state), shown, sent)
    return after[NEURONS], saturated


def _shown(network: IntegerNetwork, held: Held) -> Shown:
    if network.relays:
        return Shown(held, {})
    # The current holds the bias already, which the neurons add.
    return Shown(held, {FEEDFORWARD: held - network.neurons.bias})


def _sent(network: IntegerNetwork, counts: PerNeuron) -> dict[str, PerNeuron]:
    others = {one.name: np.zeros((len(counts), one.size), np.int64) for one in network.accumulating}
    return {**others, NEURONS: counts}


def _states(network: IntegerNetwork, state: PerNeuron) -> dict[str, PerNeuron]:
    other = interpreter.initial(network, len(state))
    return {**other, NEURONS: state}
