"""Small networks and unrollings; tests give what they are about, and the rest is here."""

from typing import Any

import numpy as np

from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.stored_dictionary import DenseMatrix
from ipvae_snn.training.unrolling import Unrolling

NETWORK = {
    "log_lr": -3.0,
    "clip": 10.0,
    "floor": -8.0,
    "input_kind": "standardised",
    "image_shape": (3, 4),
    "source": "",
    "trained_on": "test",
}
UNROLLING = {
    "updates_per_step": 1,
    "leak": 0.0,
    "clip": 10.0,
    "floor": -8.0,
    "code_form": True,
    "temperature": 0.5,
    "cutoff": 6.0,
}


def float_network(**given: Any) -> FloatNetwork:
    """Return the float network of 3x4 standardised pixels that the given fields change.

    phi, log_sigma, u0 and log_bias must be given.
    """
    fields = NETWORK | given
    return FloatNetwork(dictionary=DenseMatrix(fields.pop("phi")), **fields)


def small_unrolling(steps: int, **given: Any) -> Unrolling:
    """Return an unrolling of some steps; keys are zeros unless they are given."""
    fields = UNROLLING | given
    keys = np.zeros(steps * fields["updates_per_step"] + 1, np.uint64)
    return Unrolling(steps=steps, **{"keys": keys} | fields)
