"""Checks the shapes that signatures state, while the tests run.

`Annotated[Int64, "N K"]` is an int64 array of two axes, in a signature or a field of a dataclass;
within one call (one new instance) an axis name stands for one length. The package needs no library
for that. Here jaxtyping and beartype read such hints; all others are left to the type checker.

A check takes some 50 us, more than a call of what the interpreter does for each part of each draw.
Of the calls of a function, the first FIRST in every test are checked, and then one in EVERY.
"""

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce, wraps
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import jaxtyping
from beartype import beartype
from beartype.vale import IsInstance

ALTERNATIVES = (Union, UnionType)
FIRST, EVERY = 200, 64


def install(*packages: str) -> None:
    """Check every function and dataclass of `packages` that is imported from now on."""
    always = jaxtyping.jaxtyped

    def sampled(*, typechecker: Any) -> Callable[[Any], Any]:
        return lambda target: sometimes(target, always(typechecker=typechecker)(target))

    jaxtyping.jaxtyped = sampled  # under this name the hook puts it before every function
    jaxtyping.install_import_hook(packages, "shape_checks.checked")


class Calls:
    """Number of calls of each function in the present test."""

    counted: dict[Callable[..., Any], int] = {}  # noqa: RUF012 -- there is one present test

    @classmethod
    @contextmanager
    def of_a_test(cls) -> Iterator[None]:
        """Count anew for a test."""
        cls.counted = {}
        yield

    @classmethod
    def checks(cls, function: Callable[..., Any]) -> bool:
        """Return whether this call is one of those that are checked."""
        number = cls.counted.get(function, 0)
        cls.counted[function] = number + 1
        return number < FIRST or number % EVERY == 0


def sometimes(target: Any, checking: Any) -> Any:
    """Return a function that calls `checking` or, for a call without check, `target`."""
    if isinstance(target, type):
        return checking

    @wraps(target)
    def call(*arguments: Any, **named: Any) -> Any:
        function = checking if Calls.checks(target) else target
        return function(*arguments, **named)

    return call


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
