"""Export a network to a registered target, checked against the reference."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ipvae_snn.errors import BackendError, DataError
from ipvae_snn.export.targets import Kind, Network, Target, Writer, load_target, registered
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.models.networks import is_checkpoint
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.document import Document, Span, paragraph
from ipvae_snn.storage.atomic import atomic_folder
from ipvae_snn.storage.outputs import check_folder
from ipvae_snn.watcher import parts
from ipvae_snn.workflows.decodings import Decoding, asked_decoding, decoded

__all__ = [
    "Exported",
    "Place",
    "asked_decoding",
    "export_file",
    "export_float",
    "export_integer",
    "target_help",
]

AGAINST: Final[Mapping[Kind, str]] = MappingProxyType(
    {"float": "float inference", "integer": "the reference, equal bit for bit"}
)


@dataclass(frozen=True)
class Exported:
    """A written export: its folder and files (relative, sorted), and whether it was checked."""

    out: Path
    target: str
    kind: Kind
    checked: bool
    files: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "out": str(self.out)}

    def document(self) -> Document:
        """Return one line: the folder, the target, and what the export was compared with."""
        state = f"checked against {AGAINST[self.kind]}" if self.checked else "unchecked"
        line = paragraph(Span(str(self.out), "strong"), f" written ({self.target}, {state})")
        return Document("Export", (line,))


class Place(NamedTuple):
    """The folder of an export, and whether the export is checked before it is put there."""

    out: Path
    check: bool


def export_file(
    path: Path,
    target: str,
    out: Path,
    check: bool = True,
    progress: Progress = ignore,
    decoding: Decoding | None = None,
) -> Exported:
    """Export the network in the file `path` to the folder `out`; an older export is replaced.

    target: a name from the registry (`export.targets`). check: compare the export with the
    reference before it is put in place. decoding: in place of an integer network's own. Raises
    BackendError for a target that is unknown or does not take this kind of network,
    BackendUnavailableError if the check cannot run here, DataError if `out` holds files that an
    export to this target does not write, OutputError if it cannot be written or holds the network
    itself, DivergedError if the export is wrong. After an error `out` is unchanged.
    """
    progress(f"loading the target {target}", 0, 0)
    result = load_target(target)
    _require_replaceable(result, out)
    check_folder(out, (path,))
    if is_checkpoint(path):
        floats = _taken(result.floating, result, str(path), "float")
        _require_integer(path, decoding)
        return _export(load_float_network(path), result, floats, Place(out, check), progress)
    integers = _taken(result.integer, result, str(path), "integer")
    network = decoded(load_network(path), decoding)
    return _export(network, result, integers, Place(out, check), progress)


def _require_integer(path: Path, decoding: Decoding | None) -> None:
    """Raise BackendError for a decoding of a float checkpoint, whose export has samples only."""
    if decoding is not None:
        raise BackendError(
            f"{path} is a float checkpoint, whose export decodes a sample; convert it first, or "
            "leave --decode out"
        )


def export_integer(
    network: IntegerNetwork,
    target: str,
    out: Path,
    check: bool = True,
    progress: Progress = ignore,
) -> Exported:
    """Export an integer network; arguments and errors are those of `export_file`."""
    result = load_target(target)
    return _export(
        network,
        result,
        _taken(result.integer, result, "it", "integer"),
        Place(out, check),
        progress,
    )


def export_float(
    network: FloatNetwork,
    target: str,
    out: Path,
    check: bool = True,
    progress: Progress = ignore,
) -> Exported:
    """Export a float network; arguments and errors are those of `export_file`."""
    result = load_target(target)
    return _export(
        network, result, _taken(result.floating, result, "it", "float"), Place(out, check), progress
    )


def target_help() -> dict[str, str]:
    """Return the help of each registered target, by name; of a broken target, its error."""
    return {name: _help(name) for name in registered()}


def _help(name: str) -> str:
    try:
        return load_target(name).help
    except BackendError as error:
        return f"{error}."


def _taken(
    writer: Writer[Network] | None, target: Target, name: str, kind: Kind
) -> Writer[Network]:
    """Return the writer; raise BackendError, with the remedy, where the target has none."""
    if writer is None:
        remedies = {
            "float": ("a float checkpoint", "convert it first with `ipvae-snn convert`"),
            "integer": ("an integer network", "give the float checkpoint that it came from"),
        }
        what, remedy = remedies[kind]
        raise BackendError(f"{name} is {what}; {target.refusal}: {remedy}")
    return writer


def _require_replaceable(target: Target, out: Path) -> None:
    foreign = target.foreign(out)
    if foreign:
        raise DataError(
            f"{out}: holds {foreign[0]!r}, which no {target.name} export wrote, and would be "
            "replaced; choose another folder or remove it"
        )


def _export(
    network: Network, target: Target, writer: Writer[Network], place: Place, progress: Progress
) -> Exported:
    out, check = place
    _require_replaceable(target, out)
    check_folder(out)
    if check:
        target.ready()
    with parts(progress) as begin, atomic_folder(out) as folder:
        begin(f"writing the files for {target.name}")
        writer.write(network, folder)
        unnamed = target.foreign(folder)
        if unnamed:  # the next export would refuse to replace this file
            raise BackendError(
                f"the target {target.name!r} wrote {unnamed[0]!r}, which its `files` do not name; "
                "add it there"
            )
        if check:
            begin("comparing the export with the reference")
            writer.check(network, folder)
    kind: Kind = "integer" if writer is target.integer else "float"
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    return Exported(out, target.name, kind, check, tuple(files))
