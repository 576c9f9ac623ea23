"""Integer networks as one safetensors file, and as named arrays and plain data."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import save

from ipvae_snn.arrays import AnyArray
from ipvae_snn.errors import FileFormatError, ProgramError
from ipvae_snn.image_shape import image_shape
from ipvae_snn.ir.decoding import SAMPLE, Decoding
from ipvae_snn.ir.graph import Connection, Population
from ipvae_snn.ir.network import SAMPLES_VERSION, VERSION, VERSIONS, IntegerNetwork
from ipvae_snn.ir.neurons.registry import neurons_of
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses
from ipvae_snn.ir.rules import require
from ipvae_snn.ir.sampler import SamplerTables
from ipvae_snn.ir.version_2 import VERSION as CIRCUITS_VERSION
from ipvae_snn.ir.version_2 import modern
from ipvae_snn.ir.weights import Weights
from ipvae_snn.ir.weights.registry import weights_of
from ipvae_snn.storage.atomic import atomic_path
from ipvae_snn.storage.source_files import MALFORMED, reason
from ipvae_snn.storage.tensor_files import read_header, read_tensors, sorted_metadata
from ipvae_snn.storage.text_values import number, parse_json_object, text, whole

FORMAT: Final = "ipvae-snn/integer-network"
MAX_PARTS: Final = 1000  # populations or connections of a file
_SCALE: Final = ("multiplier", "shift")


def to_arrays(network: IntegerNetwork) -> dict[str, AnyArray]:
    """Return the network's tensors by name (docs/ir.md lists them)."""
    decoder = network.decoder
    return {
        **{
            f"{connection.name}.{name}": array
            for connection in network.connections
            for name, array in connection.synapses.arrays().items()
        },
        **{
            f"{population.name}.{name}": array
            for population in network.populations
            for name, array in population.neurons.per_neuron().items()
        },
        **{f"decoder.{name}": array for name, array in decoder.weights.arrays().items()},
        "decoder.scale": decoder.scale,
        "tables.coarse": network.tables.coarse,
        "tables.fine": network.tables.fine,
        "tables.reciprocal": network.tables.reciprocal,
    }


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
        "populations": [
            {
                "name": one.name,
                "kind": one.neurons.kind,
                "grid": list(one.grid),
                "constants": one.neurons.shared(),
            }
            for one in network.populations
        ],
        "connections": [
            {
                "name": one.name,
                "source": one.source,
                "target": one.target,
                "weights": _weights_scalars(one.synapses.weights),
            }
            for one in network.connections
        ],
        "decoder": {
            "source": network.decoder.source,
            "weights": _weights_scalars(network.decoder.weights),
            **_decoding_scalars(network),
        },
    }


def _decoding_scalars(network: IntegerNetwork) -> dict[str, Any]:
    if network.version == SAMPLES_VERSION:
        return {}
    decoding = network.decoder.decoding
    return {"decoding": decoding.kind, "decoding_steps": decoding.steps}


def _weights_scalars(weights: Weights) -> dict[str, Any]:
    return {"kind": weights.kind, "constants": weights.shared()}


def from_parts(
    arrays: Mapping[str, AnyArray], scalars: dict[str, Any], provenance: dict[str, str]
) -> IntegerNetwork:
    """Build the network from its parts, of this version, of version 3 or of version 2.

    Raises ProgramError if it breaks a rule; ValueError, LookupError or TypeError where a part is
    missing or of another kind.
    """
    if whole(scalars["version"], "version") == CIRCUITS_VERSION:
        arrays, scalars = modern(arrays, scalars)
    table: Any = arrays
    given = scalars["input"]
    return IntegerNetwork(
        input=InputCode(
            image_shape=image_shape(whole(size, "image_shape") for size in given["image_shape"]),
            kind=given["kind"],
            scale=number(given["scale"], "input scale"),
            zero_point=whole(given["zero_point"], "zero point"),
        ),
        populations=tuple(_population(arrays, one) for one in _listed(scalars, "populations")),
        connections=tuple(_connection(arrays, one) for one in _listed(scalars, "connections")),
        decoder=Decoder(
            _weights(_tensors(arrays, "decoder"), scalars["decoder"]["weights"]),
            table["decoder.scale"],
            text(scalars["decoder"]["source"], "decoder source"),
            _decoding(whole(scalars["version"], "version"), scalars["decoder"]),
        ),
        tables=SamplerTables(
            *(table[f"tables.{part}"] for part in ("coarse", "fine", "reciprocal"))
        ),
        provenance={name: text(value, "provenance") for name, value in provenance.items()},
    )


def _decoding(version: int, given: dict[str, Any]) -> Decoding:
    """Return the decoding of a decoder's scalars; ProgramError for another version's network."""
    require(
        version in VERSIONS,
        f"network version {version} is not {' or '.join(map(str, VERSIONS))}, those that this "
        "installation runs",
    )
    if version == VERSION:
        return Decoding(given["decoding"], whole(given["decoding_steps"], "decoding steps"))
    require(
        not given.keys() & {"decoding", "decoding_steps"},
        f"a network of version {version} decodes samples, but this one's decoder names a decoding, "
        f"which version {VERSION} has",
    )
    return SAMPLE


def _listed(scalars: dict[str, Any], name: str) -> list[Any]:
    given = scalars[name]
    if not isinstance(given, list) or len(given) > MAX_PARTS:
        raise ValueError(f"{name} are no list of at most {MAX_PARTS}")
    return given


def _population(arrays: Mapping[str, AnyArray], given: dict[str, Any]) -> Population:
    name = text(given["name"], "population name")
    grid = tuple(whole(size, "grid") for size in given["grid"])
    constants = _numbers(given["constants"])
    return Population(name, neurons_of(given["kind"], constants, _tensors(arrays, name)), grid)


def _connection(arrays: Mapping[str, AnyArray], given: dict[str, Any]) -> Connection:
    name = text(given["name"], "connection name")
    tensors: Any = _tensors(arrays, name)
    try:
        scale = [tensors[part] for part in _SCALE]
        synapses = Synapses(_weights(tensors, given["weights"]), *scale)
    except ProgramError as error:  # synapses do not know their name
        raise ProgramError(f"{name} {error}") from error
    source, target = (text(given[end], end) for end in ("source", "target"))
    return Connection(name, source, target, synapses)


def _weights(tensors: Mapping[str, AnyArray], given: dict[str, Any]) -> Weights:
    return weights_of(given["kind"], tensors, _numbers(given["constants"]))


def _tensors(arrays: Mapping[str, AnyArray], part: str) -> dict[str, AnyArray]:
    """Return the tensors of a population, of a connection or of the decoder, by their own names."""
    start = f"{part}."
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}


def _numbers(given: dict[str, Any]) -> dict[str, int]:
    return {str(name): whole(value, str(name)) for name, value in given.items()}


def digest(network: IntegerNetwork) -> str:
    """Return the SHA-256 of all that a run depends on: tensors and scalars, not the provenance."""
    result = hashlib.sha256(json.dumps(to_scalars(network), sort_keys=True).encode())
    for name, array in sorted(to_arrays(network).items()):
        result.update(f"{name} {array.dtype.str}{array.shape}".encode())
        result.update(np.ascontiguousarray(array).data)
    return result.hexdigest()


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
    if int(metadata["version"]) < CIRCUITS_VERSION:
        raise FileFormatError(
            f"{path}: version {metadata['version']} is older than {CIRCUITS_VERSION}, which draws "
            "from other uniforms; convert it again"
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
