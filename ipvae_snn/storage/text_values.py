"""Values in JSON and TOML texts, within limits: depth, size of numbers, nothing but finite JSON."""

import json
import math
import re
import sys
from typing import Any, Final, NoReturn

from ipvae_snn.errors import brief

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_DEPTH: Final = 32
MAX_INTEGER: Final = (1 << 63) - 1
MAX_TOML: Final = 1 << 17  # characters
_KEY_OR_SIGN: Final = re.compile(r"""[\w-]+|"[^"\n]*"|'[^'\n]*'|\S""")
MAX_DIGITS: Final = 400  # of one number in a text; a float64 needs at most 17


def parse_json(source: str, finite: bool = True) -> Any:
    """Return the value of a JSON text; every number in it is finite and within 64 bits.

    Raises ValueError for all else, and where values are nested deeper than MAX_DEPTH. finite: False
    allows NaN and Infinity, as Python writes them.
    """
    try:
        value = json.loads(
            source,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_no_constant if finite else float,
        )
    except RecursionError as error:
        raise _too_deep() from error
    _check(value)
    return value


def parse_json_object(source: str, finite: bool = True) -> dict[str, Any]:
    """Return the object of a JSON text, as `parse_json`; ValueError if it is no object."""
    value = parse_json(source, finite)
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__} where an object of names is needed")
    return value


def parse_toml(source: str) -> dict[str, Any]:
    """Return the table of a TOML text, its integers within 64 bits as TOML prescribes.

    Raises ValueError for all else, where values are nested deeper than MAX_DEPTH, and for more than
    MAX_TOML characters.
    """
    if len(source) > MAX_TOML:
        raise ValueError(f"{len(source)} characters; at most {MAX_TOML} are read")
    if _longest_dotted(source) > MAX_DEPTH:
        raise _too_deep()
    try:
        value = tomllib.loads(source)
    except RecursionError as error:
        raise _too_deep() from error
    except tomllib.TOMLDecodeError:
        raise
    except (ValueError, OverflowError) as error:  # an integer of thousands of digits; a bad date
        raise ValueError("a number or date is out of range") from error
    _check(value)
    return value


def whole(value: Any, name: str) -> int:
    """Return a whole number as it is; ValueError names `name` for all else, true and 1.0 too."""
    if type(value) is not int:
        raise ValueError(f"{name} is {brief(value)}, not a whole number")
    return value


def number(value: Any, name: str) -> float:
    """Return a number as a float; ValueError names `name` for all else."""
    if type(value) not in (int, float):
        raise ValueError(f"{name} is {brief(value)}, not a number")
    return float(value)


def text(value: Any, name: str) -> str:
    """Return a text as it is; ValueError names `name` for all else."""
    if type(value) is not str:
        raise ValueError(f"{name} is {brief(value)}, not a text")
    return value


def _check(value: Any) -> None:
    """Raise ValueError for values nested too deep or integers beyond 64 bits; no recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner.extend(one.values())
            elif isinstance(one, list):
                inner.extend(one)
            elif isinstance(one, int) and abs(one) > MAX_INTEGER:
                raise ValueError(f"a whole number beyond {MAX_INTEGER}")
        if not inner:
            return
        level = inner
    raise _too_deep()


def _longest_dotted(source: str) -> int:
    """Return the dots of the longest dotted key; tomllib's time grows with their square."""
    longest = dots = 0
    before = "."
    for token in _KEY_OR_SIGN.findall(source):
        if token == ".":
            dots = 0 if before == "." else dots + 1  # an ellipsis is no key
        elif before != ".":
            dots = 0
        longest = max(longest, dots)
        before = token
    return longest


def _too_deep() -> ValueError:
    return ValueError(f"values nested deeper than {MAX_DEPTH}")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float:
    value = math.inf if len(digits) > MAX_DIGITS else float(digits)
    if not math.isfinite(value):
        raise ValueError(f"a number of {len(digits)} digits that is not finite")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
