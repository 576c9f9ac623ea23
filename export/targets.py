"""The targets of an export, and their lazy registry.

Targets are entry points of the group `ipvae_snn.targets`: name -> a `Target`. This module names
none of them and imports one only on request; other packages register theirs the same way. A module
that declares a target must load fast, since `ipvae-snn export --help` imports all of them. It
imports slow packages (ONNX, torch) in the functions that need them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, Generic, Literal, TypeVar

from ipvae_snn.choices import choose
from ipvae_snn.errors import BackendError, BackendUnavailableError
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.storage.folders import is_kept

GROUP: Final = "ipvae_snn.targets"
Kind = Literal["integer", "float"]
Network = TypeVar("Network", IntegerNetwork, FloatNetwork)


def ready() -> None:
    """Do nothing: the check of most targets needs only the toolkit."""


@dataclass(frozen=True)
class Writer(Generic[Network]):
    """Functions that write one kind of network and check the result.

    write(network, folder) fills an empty folder. check(network, folder) runs the exported files,
    as a user would, and raises DivergedError if the result differs from the reference's.
    """

    write: Callable[[Network, Path], None]
    check: Callable[[Network, Path], None]


@dataclass(frozen=True)
class Target:
    """A format to export to.

    help: short description. files: all names that an export, or its use, creates in the folder;
    a folder with other files is not replaced. integer, floating: writers for the kinds of network
    that the target accepts. refusal: reason for not accepting the other kind. ready raises
    BackendUnavailableError, with the remedy, where the check cannot run.
    """

    name: str
    help: str
    files: frozenset[str]
    integer: Writer[IntegerNetwork] | None = None
    floating: Writer[FloatNetwork] | None = None
    refusal: str = ""
    ready: Callable[[], None] = ready

    def __post_init__(self) -> None:
        """Raise ValueError if the declaration is incomplete."""
        if not self.takes or not self.files:
            raise ValueError(f"target {self.name!r} takes no network or names no files; give both")
        if len(self.takes) == 1 and not self.refusal:
            raise ValueError(f"target {self.name!r} takes {self.takes[0]} networks only; say why")

    @property
    def takes(self) -> tuple[Kind, ...]:
        """The kinds of network that the target accepts."""
        kinds: dict[Kind, object] = {"integer": self.integer, "float": self.floating}
        return tuple(kind for kind, writer in kinds.items() if writer is not None)

    def foreign(self, folder: Path) -> list[str]:
        """Return the names in `folder` that no export to this target creates, sorted.

        Temporary files of other runs, and what the system keeps in a mount, are not replaced.
        """
        if not folder.is_dir():
            return [folder.name] if folder.exists() else []
        return sorted(
            each.name
            for each in folder.iterdir()
            if each.name not in self.files and not is_kept(each.name)
        )


def registered() -> dict[str, EntryPoint]:
    """Return the registered targets by name, sorted."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    return dict(sorted(points.items()))


def load_target(name: str) -> Target:
    """Return the target called `name`.

    Raises BackendError for an unknown name or an entry point that is no target of that name,
    BackendUnavailableError where its module cannot be loaded.
    """
    known = registered()
    choose(name, known, "target", BackendError)
    try:
        target = known[name].load()
    except Exception as error:  # the module of another package may raise anything
        raise BackendUnavailableError(
            f"the target {name!r} cannot be loaded ({error}); install its package again, or "
            "choose another target"
        ) from error
    if not isinstance(target, Target) or target.name != name:
        raise BackendError(
            f"the target {name!r} is registered as {known[name].value}, which is no Target of that "
            "name; correct its entry point"
        )
    return target
