"""Checks the shapes that signatures state, while the tests run.

`Annotated[Int64, "N K"]` is an int64 array of two axes, in a signature or a field of a dataclass;
within one call (one new instance) an axis name stands for one length. The package needs no library
for that. Here jaxtyping and beartype read such hints; all others are left to the type checker.
"""

import operator
from collections.abc import Callable
from functools import reduce
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import jaxtyping
from beartype import beartype
from beartype.vale import IsInstance

ALTERNATIVES = (Union, UnionType)


def install(*packages: str) -> None:
    """Check every function and dataclass of `packages` that is imported from now on."""
    jaxtyping.install_import_hook(packages, "shape_checks.checked")


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` with the shapes of its arguments and of its result checked."""
    hints = function.__annotations__
    function.__annotations__ = {name: checkable(hint) for name, hint in hints.items()}
    return beartype(function)


def checkable(hint: Any) -> Any:
    """Return what beartype should check of a type hint: Any where it states no shape."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        array, axes = arguments
        return Annotated[array, IsInstance[jaxtyping.Shaped[kind_of(array), axes]]]
    if origin in ALTERNATIVES:
        return reduce(operator.or_, [checkable(argument) for argument in arguments])
    if origin is tuple:
        return tuple[tuple(checkable(argument) for argument in arguments)]
    return hint if hint in (..., type(None)) else Any


def kind_of(array: Any) -> Any:
    """Return np.ndarray for an array type of any element type (or of one of several), or Tensor."""
    origin = get_origin(array)
    return kind_of(get_args(array)[0]) if origin in ALTERNATIVES else origin or array
