"""Tensors of a PyTorch file (`.pt`, `.pth`, `.ckpt`), read without executing code.

`torch.load(weights_only=True)` interprets the pickle itself: it makes tensors, containers, numbers
and text, and refuses every other object by name. The scalars and arrays of NumPy, which training
scripts leave in their statistics, are allowed in addition; they hold numbers only.
"""

import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.arrays import Array
from ipvae_snn.errors import FileFormatError
from ipvae_snn.importers.named_arrays import NamedArrays, listed

_REFUSED: Final = re.compile(r"GLOBAL (\S+) |unsupported GLOBAL (\S+) |function (.+?)\s*$", re.M)
_NUMBERS: Final = "?bBhHiIlLqQefd"  # type codes of NumPy's Booleans, integers and floats


def read_torch(path: Path) -> NamedArrays:
    """Return the tensors of a PyTorch file: of its `model` or `state_dict`, or of the file itself.

    Raises FileFormatError if the file is damaged, holds objects that could execute code (nothing is
    executed then), or holds no tensors by name.
    """
    return NamedArrays(path, _tensors(path, _load(path)))


def _load(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(_numpy_globals()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise FileFormatError(_refusal(path, str(error))) from error
    except MemoryError as error:
        raise FileFormatError(f"{path}: asks for more memory than there is; was it made so?") from (
            error
        )
    except Exception as error:  # torch has no common class for what a damaged file raises
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise FileFormatError(
            f"{path}: not a readable PyTorch file ({reason}); it may be truncated; get it again"
        ) from error


def _numpy_globals() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """Return what scalars and arrays of NumPy 1 and 2 are made with, under either's names."""
    scalar: Any = np.float64(0).__reduce__()[0]
    reconstruct: Any = np.empty(0).__reduce__()[0]
    homes = ("numpy.core.multiarray", "numpy._core.multiarray")
    return [
        *((scalar, f"{home}.scalar") for home in homes),
        *((reconstruct, f"{home}._reconstruct") for home in homes),
        np.ndarray,
        np.dtype,
        *{type(np.dtype(code)) for code in _NUMBERS},
    ]


def _refusal(path: Path, message: str) -> str:
    found = _REFUSED.search(message)
    named = next((name for name in found.groups() if name), "") if found else ""
    what = f"refers to {named[:80]}" if named else "is not a plain file of tensors"
    return (
        f"{path}: {what}; loading such objects can execute code of the file, so nothing was "
        "loaded; save tensors alone: torch.save(model.state_dict(), ...)"
    )


def _tensors(path: Path, content: Any) -> dict[str, Array]:
    """Return the tensors by name; a training script's file has them under `model`."""
    for name in ("model", "state_dict"):
        inner = content.get(name) if isinstance(content, Mapping) else None
        if isinstance(inner, Mapping):
            content = inner
    if not isinstance(content, Mapping):
        raise FileFormatError(
            f"{path}: holds a {type(content).__name__}, not tensors by name; save a state "
            "dictionary: torch.save(model.state_dict(), ...)"
        )
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise FileFormatError(
            f"{path}: holds no tensors by name, but {listed(map(str, content))}; save a state "
            "dictionary: torch.save(model.state_dict(), ...)"
        )
    return {name: _as_array(path, name, value) for name, value in tensors.items()}


def _as_array(path: Path, name: str, tensor: Tensor) -> Array:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise FileFormatError(
            f"{path}: {name[:80]} is sparse, quantised or without data; save dense tensors"
        )
    if tensor.is_complex():
        raise FileFormatError(f"{path}: {name[:80]} is complex; real numbers are needed")
    dense = tensor.detach()
    result: Array = (dense.float() if dense.dtype == torch.bfloat16 else dense).numpy()
    return result
