"""Rules of an integer network, and the errors of those that are broken."""

from typing import Any

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.errors import ProgramError


def require(holds: bool | np.bool_, message: str) -> None:
    """Raise ProgramError with `message` unless the rule holds."""
    if not holds:
        raise ProgramError(message)


def require_type(name: str, array: Array, dtype: type[np.generic], axes: int) -> None:
    """Raise ProgramError unless `array` has the type and the number of axes."""
    require(
        isinstance(array, np.ndarray) and array.dtype == dtype and array.ndim == axes,
        f"{name} is {array.dtype}{array.shape}, but must be {np.dtype(dtype)} of {axes} axes",
    )


def require_range(name: str, low: Any, high: Any, least: int, most: int) -> None:
    """Raise ProgramError unless least <= low and high <= most."""
    require(least <= low and high <= most, f"{name} {low}..{high} leave {least}..{most}")
