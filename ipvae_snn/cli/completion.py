"""Words that the shell completes: names of the package, and files beside them.

The shell calls these at each Tab, so that each imports only what it needs, when it is called.
"""

from collections.abc import Iterable
from pathlib import Path

SPLITS = ("train", "test")
CIRCUITS = ("one-layer", "two-layer")
STIMULI = (
    *("gabor", "gratings", "contrast", "plaids", "noise", "bar"),
    *("sparsification", "recombination", "prior", "all"),
)
DECODINGS = ("sample", "mean:4", "map")


def networks(incomplete: str) -> list[str]:
    """Return pretrained networks and files."""
    from ipvae_snn import pretrained

    return [*_beginning(pretrained.names(), incomplete), *_files(incomplete)]


def data(incomplete: str) -> list[str]:
    """Return data sets and files."""
    from ipvae_snn.data import registry

    names = (source.name for source in registry.names())
    return [*_beginning(names, incomplete), *_files(incomplete)]


def back_ends(incomplete: str) -> list[str]:
    """Return back ends."""
    from ipvae_snn.ir.back_ends import registered

    return _beginning(sorted(registered()), incomplete)


def back_end_lists(incomplete: str) -> list[str]:
    """Return lists of back ends in which the last one is completed."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in back_ends(last)]


def targets(incomplete: str) -> list[str]:
    """Return targets of an export."""
    from ipvae_snn.export.targets import registered

    return _beginning(registered(), incomplete)


def profiles(incomplete: str) -> list[str]:
    """Return chip profiles and files."""
    from ipvae_snn.hw.chips.profile import profile_names

    return [*_beginning(profile_names(), incomplete), *_files(incomplete)]


def presets(incomplete: str) -> list[str]:
    """Return packaged settings of training."""
    from ipvae_snn.config.toml import preset_names

    return _beginning(preset_names(), incomplete)


def splits(incomplete: str) -> list[str]:
    """Return splits."""
    return _beginning(SPLITS, incomplete)


def circuits(incomplete: str) -> list[str]:
    """Return circuits."""
    return _beginning(CIRCUITS, incomplete)


def stimuli(incomplete: str) -> list[str]:
    """Return lists of stimuli in which the last one is completed."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _beginning(STIMULI, last)]


def decodings(incomplete: str) -> list[str]:
    """Return decodings; of a mean, the four last steps as an example."""
    return _beginning(DECODINGS, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _files(incomplete: str) -> list[str]:
    """Return paths that begin so, folders with a slash at the end; none of an unreadable folder."""
    folder, slash, _ = incomplete.rpartition("/")
    try:
        entries = sorted(Path(folder + slash or ".").expanduser().iterdir())
    except OSError:
        return []
    paths = (f"{folder}{slash}{each.name}" + "/" * each.is_dir() for each in entries)
    return [path for path in paths if path.startswith(incomplete)]
