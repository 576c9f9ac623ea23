"""Integer networks as one safetensors file, and as plain NumPy arrays for bundles."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import save

from ipvae_snn.arrays import AnyArray
from ipvae_snn.errors import FileFormatError, ProgramError
from ipvae_snn.image_shape import image_shape
from ipvae_snn.ir.circuits import Parts, Residual
from ipvae_snn.ir.network import VERSION, IntegerNetwork, circuit_network
from ipvae_snn.ir.parts import PER_NEURON, Decoder, InputCode, NeuronGroup, Synapses
from ipvae_snn.ir.sampler import SamplerTables
from ipvae_snn.storage.atomic import atomic_path
from ipvae_snn.storage.source_files import MALFORMED, reason
from ipvae_snn.storage.tensor_files import read_header, read_tensors, sorted_metadata
from ipvae_snn.storage.text_values import number, parse_json_object, text, whole

FORMAT: Final = "ipvae-snn/integer-network"
_SYNAPSES: Final = ("weights", "multiplier", "shift")


def to_arrays(network: IntegerNetwork) -> dict[str, AnyArray]:
    """Return the network's tensors by name (docs/ir.md lists them)."""
    return {
        **{
            f"{connection.name}.{name}": array
            for connection in network.connections
            for name, array in connection.synapses.arrays().items()
        },
        **_loop(network.neurons),
        **{f"neurons.{name}": array for name, array in network.neurons.per_neuron().items()},
        "decoder.weights": network.decoder.weights,
        "decoder.scale": network.decoder.scale,
        "tables.coarse": network.tables.coarse,
        "tables.fine": network.tables.fine,
        "tables.reciprocal": network.tables.reciprocal,
    }


def _loop(group: NeuronGroup) -> dict[str, AnyArray]:
    loop = group.loop_inhibition
    return {} if loop is None else {"residual.loop_inhibition": loop}


def to_scalars(network: IntegerNetwork) -> dict[str, Any]:
    """Return the network's scalars as JSON-ready values (docs/ir.md lists them)."""
    return {
        "version": network.version,
        "input": {
            "image_shape": list(network.input.image_shape),
            "kind": network.input.kind,
            "scale": network.input.scale,
            "zero_point": network.input.zero_point,
        },
        "neurons": network.neurons.shared(),
        "residual_limit": network.residual.limit if network.residual else None,
    }


def from_parts(
    arrays: dict[str, AnyArray], scalars: dict[str, Any], provenance: dict[str, str]
) -> IntegerNetwork:
    """Build the network from its parts.

    Raises ProgramError if it breaks a rule; ValueError, LookupError or TypeError where a part is
    missing or of another kind.
    """
    table: Any = arrays
    limit = scalars["residual_limit"]
    return circuit_network(
        version=whole(scalars["version"], "version"),
        input=InputCode(
            image_shape=image_shape(
                whole(size, "image_shape") for size in scalars["input"]["image_shape"]
            ),
            kind=scalars["input"]["kind"],
            scale=number(scalars["input"]["scale"], "input scale"),
            zero_point=whole(scalars["input"]["zero_point"], "zero point"),
        ),
        parts=Parts(
            feedforward=_synapses(arrays, "feedforward"),
            lateral=_synapses(arrays, "lateral") if limit is None else None,
            residual=None if limit is None else _residual(arrays, whole(limit, "residual limit")),
            neurons=_neurons(table, scalars["neurons"]),
        ),
        decoder=Decoder(table["decoder.weights"], table["decoder.scale"]),
        tables=SamplerTables(
            *(table[f"tables.{part}"] for part in ("coarse", "fine", "reciprocal"))
        ),
        provenance={name: text(value, "provenance") for name, value in provenance.items()},
    )


def _neurons(table: Any, scalars: dict[str, Any]) -> NeuronGroup:
    constants: dict[str, Any] = {name: whole(value, name) for name, value in scalars.items()}
    constants |= {name: table[f"neurons.{name}"] for name in PER_NEURON}
    return NeuronGroup(**constants)


def _synapses(arrays: dict[str, AnyArray], name: str) -> Synapses:
    table: Any = arrays
    try:
        return Synapses.dense(*(table[f"{name}.{part}"] for part in _SYNAPSES))
    except ProgramError as error:  # synapses do not know their name
        raise ProgramError(f"{name} {error}") from error


def _residual(arrays: dict[str, AnyArray], limit: int) -> Residual:
    table: Any = arrays
    return Residual(_synapses(arrays, "prediction"), limit, table["residual.loop_inhibition"])


def save_network(network: IntegerNetwork, path: Path) -> None:
    """Write the network to `path`, whole or not at all."""
    metadata = {
        "format": FORMAT,
        "version": str(network.version),
        "program": json.dumps(to_scalars(network)),
        "provenance": json.dumps(network.provenance),
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in to_arrays(network).items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(sorted_metadata(save(arrays, metadata=metadata)))


def load_network(path: str | Path) -> IntegerNetwork:
    """Read a network from `path`; executes no code from the file.

    Raises FileFormatError if it is missing, truncated, foreign, older, newer, or breaks a rule.
    """
    path = Path(path)
    metadata = read_header(path, FORMAT, VERSION)
    if int(metadata["version"]) < VERSION:
        raise FileFormatError(
            f"{path}: version {metadata['version']} is older than {VERSION}, which draws from "
            "other uniforms; convert it again"
        )
    try:
        scalars = parse_json_object(metadata["program"])
        provenance = parse_json_object(metadata["provenance"])
        return from_parts(read_tensors(path), scalars, provenance)
    except MALFORMED as error:
        raise FileFormatError(
            f"{path}: an integer network with a missing or malformed part ({reason(error)}); "
            "convert it again"
        ) from error
    except ProgramError as error:
        raise FileFormatError(f"{path}: {error}") from error
