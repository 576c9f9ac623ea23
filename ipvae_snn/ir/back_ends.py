"""Back ends by name: entry points of the group `ipvae_snn.backends`, each a `session.Backend`.

The core names none of them and imports one only on request. Other packages can register their own
in the same way.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast

from ipvae_snn.choices import choose
from ipvae_snn.errors import BackendError, BackendUnavailableError
from ipvae_snn.ir.session import Backend

GROUP: Final = "ipvae_snn.backends"
DEFAULT: Final = "compiled"  # the fastest on a CPU whose counts equal the reference's


def registered() -> dict[str, EntryPoint]:
    """Return the registered back ends by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def load_backend(name: str) -> Backend:
    """Return the back end called `name`.

    Raises BackendError for an unknown name and for an entry point that is no back end,
    BackendUnavailableError where it cannot be imported.
    """
    known = registered()
    choose(name, sorted(known), "back end", BackendError)
    try:
        loaded = known[name].load()
    except ImportError as error:
        raise BackendUnavailableError(
            f"the back end {name!r} cannot be imported ({error}); see `ipvae-snn doctor`"
        ) from error
    if not hasattr(loaded, "prepare"):
        raise BackendError(
            f"the back end {name!r} ({known[name].value}) has no `prepare(network)`; name an "
            "`ipvae_snn.ir.session.Backend`, as FromFunction makes of a function"
        )
    return cast(Backend, loaded)
