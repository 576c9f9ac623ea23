"""Agreement of float and integer counts and potentials."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import Trace

LN2 = float(np.log(2.0))


@dataclass(frozen=True)
class Agreement:
    """Agreement of a float and an integer run on the same images and uniforms.

    equal: share of (image, step, neuron) with equal counts. equal_active: the same where the
    float count is not 0. state_error: root mean square difference of the potentials in nats.
    """

    equal: float
    equal_active: float
    state_error: float

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def agreement(floats: Trace, integers: Trace, network: IntegerNetwork) -> Agreement:
    """Return the agreement of two runs that kept their traces; raises ValueError without them."""
    if floats.counts is None or integers.counts is None:
        raise ValueError("agreement needs runs with trace=True")
    equal = floats.counts == integers.counts
    active = floats.counts > 0
    nats = integers.state * (LN2 / (1 << network.neurons.fraction_bits))
    return Agreement(
        equal=float(equal.mean()),
        equal_active=float(equal[active].mean()) if active.any() else 1.0,
        state_error=float(np.sqrt(((floats.state - nats) ** 2).mean())),
    )
