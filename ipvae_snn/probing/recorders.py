"""The recorder of a network, by its kind."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.probing.float_recorder import FloatRecorder
from ipvae_snn.probing.integer_recorder import IntegerRecorder
from ipvae_snn.probing.latent_recorder import LatentRecorder
from ipvae_snn.probing.recorder import Recorder

Probed = FloatNetwork | IntegerNetwork | LatentNetwork
_RECORDERS: Final[Mapping[type, Callable[[Any], Recorder]]] = MappingProxyType(
    {
        FloatNetwork: FloatRecorder,
        IntegerNetwork: IntegerRecorder,
        LatentNetwork: LatentRecorder,
    }
)


def recorder_of(network: Probed) -> Recorder:
    """Return the recorder of a network; DataError for a decoder that is not linear."""
    return _RECORDERS[type(network)](network)
