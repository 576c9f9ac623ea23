"""Interface of all back ends, (network, pixels, request) -> Trace, and their lazy registry.

Back ends are entry points of the group `ipvae_snn.backends`. The core names none of them and
imports one only on request. Other packages can register their own in the same way.
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast

from ipvae_snn.arrays import UInt8
from ipvae_snn.choices import choose
from ipvae_snn.errors import BackendError, BackendUnavailableError
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace

GROUP: Final = "ipvae_snn.backends"
DEFAULT: Final = "compiled"  # the fastest on a CPU whose counts equal the reference's
Backend = Callable[[IntegerNetwork, UInt8, RunRequest], Trace]


def registered() -> dict[str, EntryPoint]:
    """Return the registered back ends by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def load_backend(name: str) -> Backend:
    """Return the back end called `name`.

    Raises BackendError for an unknown name, BackendUnavailableError where it cannot be imported.
    """
    known = registered()
    choose(name, sorted(known), "back end", BackendError)
    try:
        return cast(Backend, known[name].load())
    except ImportError as error:
        raise BackendUnavailableError(
            f"the back end {name!r} cannot be imported ({error}); see `ipvae-snn doctor`"
        ) from error
