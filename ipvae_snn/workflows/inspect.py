"""Contents of a file of this toolkit: exact ranges, bytes, state, and work per step."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ipvae_snn.errors import shortened
from ipvae_snn.hw.mapping.footprint import Footprint, Tensor, footprint, tensor
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.files import load_network, to_scalars
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, STATE_BITS, signed_limit
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.result_files import read_result
from ipvae_snn.models.float_network import checkpoint_kind, load_float_network
from ipvae_snn.models.latent_network import load_latent_network
from ipvae_snn.report.document import Document, Table, number, table
from ipvae_snn.workflows.images import is_checkpoint

MAX_CELL: Final = 200  # characters of a value; a file may hold any
MAX_NAME: Final = 60


@dataclass(frozen=True)
class FileContents:
    """Path and kind of a file, its figures by name (some of them tables), and its tensors.

    footprint: memory and work, of an integer network.
    """

    path: Path
    what: str
    details: Mapping[str, Any]
    tensors: tuple[Tensor, ...]
    footprint: Footprint | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain data: every figure, exactly."""
        tensors = {each.name: each.as_json() for each in self.tensors}
        needs = {} if self.footprint is None else self.footprint.as_json()
        return {"what": self.what, **self.details, "tensors": tensors, **needs}

    def document(self) -> Document:
        """Return the figures, the tensors, and an integer network's state and work."""
        rows: list[tuple[str, str]] = [("what", self.what)]
        for name, value in self.details.items():
            inner = value.items() if isinstance(value, Mapping) else [(None, value)]
            for key, one in inner:
                named = name if key is None else f"{name}.{key}"
                rows.append((shortened(named, MAX_NAME), shortened(_text(one), MAX_CELL)))
        title = f"{self.path}: {self.what}"
        blocks = [table(title, ("", "value"), rows, text=True), _tensor_table(self.tensors)]
        if self.footprint is not None:
            blocks += [_memory_table(self.footprint), _work_table(self.footprint)]
        return Document(title, tuple(blocks))


def inspect_file(path: Path) -> FileContents:
    """Read a checkpoint, an integer network or the npz file of a run.

    Raises FileFormatError if it is missing, truncated or none of these.
    """
    if path.suffix == ".npz":
        return _result(path)
    return _checkpoint(path) if is_checkpoint(path) else _integer(path)


def _text(value: Any) -> str:
    """Return a figure as text; a bound as its worst value and its limit."""
    match value:
        case {"worst": int(worst), "limit": int(limit)}:
            return f"{worst:,} of {limit:,}"
        case _:
            return str(value)


def _tensor_table(tensors: Iterable[Tensor]) -> Table:
    """Return one row per tensor; whole numbers are exact."""
    head = ("tensor", "type", "shape", "bytes", "least", "largest", "part")
    rows = [
        (
            shortened(each.name, MAX_NAME),
            shortened(each.dtype, MAX_NAME),
            " x ".join(map(str, each.shape)) or "scalar",
            f"{each.bytes:,}",
            _end(each.low),
            _end(each.high),
            each.part or "",
        )
        for each in tensors
    ]
    total = sum(each.bytes for each in tensors)
    return table("tensors", head, [*rows, ("in all", "", "", f"{total:,}")], sections=(len(rows),))


def _end(value: float | None) -> str:
    """Return an end of a range: whole numbers with all digits, others with six."""
    match value:
        case None:
            return "empty"
        case int():
            return f"{value:,}"
        case _:
            return f"{value:.6g}"


def _memory_table(needs: Footprint) -> Table:
    """Return what is constant and what is state."""
    rows = [
        ("constant, bytes", f"{needs.constant_bytes:,}"),
        ("  of them without the read-out, which the host does", f"{needs.device_bytes:,}"),
        ("state of one image, bytes", f"{needs.state_bytes:,}"),
    ]
    for state in needs.states:
        rows.append((f"  {state.population}: bits per neuron", f"{state.bits}"))
        rows += [(f"    {word.name}, bits", f"{word.bits}") for word in state.words]
    rows += [
        ("sums, bits", f"{ACCUMULATOR_BITS}"),
        ("neuron updates per step", f"{needs.updates:,}"),
    ]
    return table("memory: constants never change, state does", ("", "value"), rows)


def _work_table(needs: Footprint) -> Table:
    """Return the work of each connection."""
    head = ("connection", "when", "dense", "bytes", "per event", "at most", "bytes per event")
    rows = [
        (
            each.connection,
            each.when,
            f"{each.dense_operations:,}",
            f"{each.dense_bytes:,}",
            number(each.operations_per_event_mean, 1),
            f"{each.operations_per_event_max:,}",
            f"{each.bytes_per_event:,}",
        )
        for each in needs.work
    ]
    title = (
        "work: multiply-adds and weight bytes read, dense, or per event (spike, pixel, residual)"
    )
    return table(title, head, rows)


def _checkpoint(path: Path) -> FileContents:
    if not checkpoint_kind(path).is_float_network:
        return _of_family(path)
    network = load_float_network(path)
    details = {
        "pixels": network.n_pixels,
        "neurons": network.n_neurons,
        "dictionary": f"{network.dictionary.kind}: {network.dictionary.size_text}",
        "parameters": network.n_parameters,
        "image_shape": list(network.image_shape),
        "input": network.input_kind,
        "trained_on": network.trained_on,
        **({"imported": dict(network.imported)} if network.imported else {}),
        "step_size": math.exp(network.log_lr),
        "updates_per_step": network.updates_per_step,
        "leak": network.leak,
        "sha256": network.source,
    }
    tensors = tuple(tensor(name, array) for name, array in network.stored.items())
    return FileContents(path, "float checkpoint of an iP-VAE", details, tensors)


def _of_family(path: Path) -> FileContents:
    network = load_latent_network(path)
    details = {
        "kind": network.config.model.kind,
        "pixels": network.n_pixels,
        "neurons": network.n_neurons,
        "dictionary": network.decoder_text,
        "parameters": network.n_parameters,
        "image_shape": list(network.image_shape),
        "input": network.input_kind,
        "trained_on": network.trained_on,
        "training_steps": network.training_steps,
        "sha256": network.source,
    }
    tensors = tuple(tensor(name, array) for name, array in network.tensors.items())
    return FileContents(path, f"float checkpoint of a model {network.name}", details, tensors)


def _integer(path: Path) -> FileContents:
    network = load_network(path)
    scalars = to_scalars(network)
    details = {
        "pixels": network.n_pixels,
        "neurons": network.n_neurons,
        "circuit": network.circuit,
        "input": scalars["input"],
        "populations": _populations(network),
        "connections": {
            one.name: f"{one.source} -> {one.target}, {one.synapses.weights}"
            for one in network.weighted
        },
        "decoding": str(network.decoder.decoding),
        "worst_case": _worst_case(network),
        "provenance": network.provenance,
    }
    needs, what = footprint(network), f"integer network, version {network.version}"
    return FileContents(path, what, details, needs.tensors, needs)


def _populations(network: IntegerNetwork) -> dict[str, dict[str, Any]]:
    """Return kind, size and shared constants of each population, by name."""
    return {
        one.name: {
            "kind": one.neurons.kind,
            "size": one.size,
            **({"grid": list(one.grid)} if one.grid else {}),
            **{name: value for name, value in one.neurons.shared().items() if name != "size"},
        }
        for one in network.populations
    }


def _worst_case(network: IntegerNetwork) -> dict[str, dict[str, int]]:
    """Return the worst case of every sum, over all images and counts, with its limit."""
    limit = signed_limit(ACCUMULATOR_BITS)
    worst = {
        f"{one.name} sum": int(
            worst_partial_sum(one.synapses.weights, *network.payloads(one)).max()
        )
        for one in network.weighted
    }
    current = {"worst": int(network.worst_current.max()), "limit": signed_limit(STATE_BITS)}
    sums = {name: {"worst": value, "limit": limit} for name, value in worst.items()}
    return {**sums, "current": current}


def _result(path: Path) -> FileContents:
    tensors = tuple(tensor(name, array) for name, array in read_result(path).items())
    return FileContents(path, "result of a run", {}, tensors)
