"""Integer networks as named torch tensors, for the state dict of a module that runs one.

Every value is a tensor, so that torch.load(..., weights_only=True) and safetensors accept it.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.errors import FileFormatError, ProgramError, brief
from ipvae_snn.ir.files import FORMAT, from_parts, to_arrays, to_scalars
from ipvae_snn.ir.network import VERSIONS, IntegerNetwork
from ipvae_snn.storage.source_files import MALFORMED, reason
from ipvae_snn.storage.text_values import parse_json_object

DESCRIPTION: Final = "description"  # scalars and provenance: JSON in UTF-8, as uint8 (B,)
# First parts of the names of a network's tensors: of any graph, and beside them its own.
_COMMON: Final = frozenset(("decoder", "tables", DESCRIPTION))


def to_tensors(network: IntegerNetwork, device: torch.device) -> dict[str, Tensor]:
    """Return copies of the network's tensors (docs/ir.md lists them) and its description."""
    description = {
        "format": FORMAT,
        "version": network.version,
        "program": to_scalars(network),
        "provenance": network.provenance,
    }
    text = np.frombuffer(json.dumps(description, sort_keys=True).encode(), dtype=np.uint8)
    arrays = {**to_arrays(network), DESCRIPTION: text}
    return {
        name: torch.from_numpy(np.array(array, order="C")).to(device)
        for name, array in arrays.items()
    }


def from_tensors(tensors: Mapping[str, Tensor]) -> IntegerNetwork:
    """Return the network of tensors from `to_tensors`.

    Raises FileFormatError where they are of another version, malformed, or break a rule.
    """
    try:
        arrays: dict[str, Any] = {
            name: np.array(tensor.detach().cpu().numpy(), order="C")
            for name, tensor in tensors.items()
        }
        description = parse_json_object(arrays.pop(DESCRIPTION).tobytes().decode())
        version = description["version"]
        if description["format"] != FORMAT or version not in VERSIONS:
            raise FileFormatError(
                f"the state dict holds {brief(description['format'])}, version {brief(version)}, "
                f"not {FORMAT!r}, version {' or '.join(map(str, VERSIONS))}; save it again "
                "with this version of ipvae-snn"
            )
        return from_parts(arrays, description["program"], description["provenance"])
    except (*MALFORMED, RuntimeError) as error:  # RuntimeError: torch's, as for meta tensors
        raise FileFormatError(
            f"the state dict's network has a missing or malformed part ({reason(error)}); save "
            "it again"
        ) from error
    except ProgramError as error:
        raise FileFormatError(f"the state dict's network: {error}; save it again") from error


def names(network: IntegerNetwork) -> list[str]:
    """Return the names of the tensors of `to_tensors`."""
    return [*to_arrays(network), DESCRIPTION]


def take_tensors(
    network: IntegerNetwork, state_dict: dict[str, Tensor], prefix: str
) -> dict[str, Tensor]:
    """Remove an integer network's tensors from `state_dict`; return them by name.

    These are the tensors of `network`, and of the one that the state dict describes.
    """
    own = {one.name for one in network.populations} | {one.name for one in network.connections}
    parts = _COMMON | own | _described(state_dict.get(prefix + DESCRIPTION))
    keys = [
        key
        for key in state_dict
        if key.startswith(prefix) and key[len(prefix) :].partition(".")[0] in parts
    ]
    return {key[len(prefix) :]: state_dict.pop(key) for key in keys}


def _described(description: Tensor | None) -> set[str]:
    """Return the names of the parts that a description lists; none where it is malformed."""
    if description is None:
        return set()
    try:
        program = parse_json_object(bytes(description.tolist()).decode())["program"]
        return {str(one["name"]) for one in [*program["populations"], *program["connections"]]}
    except (*MALFORMED, RuntimeError):  # `from_tensors` says what is wrong with it
        return set()


def replacement(old: IntegerNetwork, tensors: Mapping[str, Tensor]) -> IntegerNetwork:
    """Return the network of `tensors` as a replacement of `old`.

    Raises FileFormatError as `from_tensors`, and unless it has the sizes and the graph of `old`.
    """
    new = from_tensors(tensors)
    if _build(new) != _build(old):
        raise FileFormatError(
            f"the state dict holds a network of {_build(new)}, but the layer was built for "
            f"{_build(old)}; build the layer from a network of the same sizes and circuit"
        )
    return new


def _build(network: IntegerNetwork) -> str:
    sizes = f"{network.n_pixels} pixels and {network.n_neurons} neurons, {network.circuit}"
    scores = f", {network.n_scores} scores" if network.n_scores else ""
    if network.is_circuit:
        return sizes + scores
    return f"{sizes} of {', '.join(map(str, network.populations))}"
