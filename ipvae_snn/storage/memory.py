"""Free memory, and refusal of work that needs more, before it starts.

Sizes are known beforehand: images, neurons and steps give the bytes of every array. Without this a
large run is ended by the kernel after minutes, without a message.
"""

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

from ipvae_snn.errors import ConfigError, MemoryLimitError

VARIABLE: Final = "IPVAE_SNN_MEMORY"
OFF: Final = "off"
# Less than this is not checked: reading what is free would take longer than the work.
SMALL: Final = 64 * 2**20
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]?)(?:I?B)?", re.ASCII)


def require(needed: int, what: str, remedy: str) -> None:
    """Raise MemoryLimitError if `needed` bytes are not free.

    what: subject of the message, as "1000 images of 28x28 pixels"; remedy: what makes it smaller.
    IPVAE_SNN_MEMORY sets the bytes that are taken to be free (as 16G), or "off" for no check.
    """
    named = os.environ.get(VARIABLE, "")
    if needed < SMALL and not named:
        return
    limit = allowed(named) if named else free()
    if limit is not None and needed > limit:
        raise MemoryLimitError(
            f"{what}: needs {shown(needed)} of memory, but {shown(limit)} is "
            f"{'allowed' if named else 'free'}; {remedy}, or set {VARIABLE} (as 16G, or {OFF})"
        )


def allowed(text: str) -> int | None:
    """Return the bytes that a setting as 500M, 1.5 GiB or 4096 names, None for "off".

    K, M, G and T are powers of 1024. Raises ConfigError for other texts.
    """
    if text.strip().lower() == OFF:
        return None
    match = _SIZE.fullmatch(text.strip().upper())
    if match is None:
        raise ConfigError(f"{VARIABLE} is {text!r}; set it to bytes, to a size as 16G, or to {OFF}")
    return int(Fraction(match[1]) * 1024 ** " KMGT".index(match[2] or " "))


def free(root: Path = Path("/")) -> int | None:
    """Return the bytes that this process can still allocate, None if the system does not say.

    The least of what the system has, what each control group (container) of this process leaves,
    and its own limit of address space. Memory that only caches files counts as free.
    """
    limits = [*_system(root), *_groups(root), *_address_space(root)]
    return max(0, min(limits)) if limits else None


def shown(size: int) -> str:
    """Return a number of bytes as text with three digits, as "1.5 GiB"."""
    value, unit = float(size), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"


def allocation_failure(error: BaseException) -> str | None:
    """Return the message of an error that means "out of memory", None for other errors.

    Python and NumPy raise MemoryError; torch a RuntimeError that only its text identifies.
    """
    text = " ".join(str(error).split())
    wants = "can't allocate memory", "out of memory", "not enough memory"
    if not isinstance(error, MemoryError) and not any(want in text for want in wants):
        return None
    detail = f" ({text[:200]})" if text else ""
    return (
        f"out of memory{detail}; give fewer images (--limit) or steps (--steps), or use a machine "
        "with more memory"
    )


def _system(root: Path) -> Iterator[int]:
    """Yield what the whole system has: available memory, or all of it where that is unknown."""
    for line in _lines(root / "proc/meminfo"):
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            yield 1024 * int(value.split()[0])
            return
    names = getattr(os, "sysconf_names", ())  # not on Windows
    if root == Path("/") and "SC_PHYS_PAGES" in names:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _groups(root: Path) -> Iterator[int]:
    """Yield what each control group with a limit, from this process's own upwards, leaves."""
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        if "memory" in controllers.split(","):  # version 1
            base /= "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        elif number != "0":
            continue
        own = base / path.strip("/")
        for folder in (own, *own.parents):
            yield from _left(folder, *names)
            if folder == base:
                break


def _left(folder: Path, limit_name: str, used_name: str, cached_name: str) -> Iterator[int]:
    """Yield what a control group leaves, nothing if it has no limit."""
    limit, used = (_number(folder / name) for name in (limit_name, used_name))
    if limit is None or used is None:
        return
    stat = dict(line.split(" ", 1) for line in _lines(folder / "memory.stat") if " " in line)
    yield limit - used + int(stat.get(cached_name, "0"))


def _address_space(root: Path) -> Iterator[int]:
    """Yield what this process's limit of address space (ulimit -v) leaves."""
    if os.name != "posix":
        return
    import resource  # not on Windows

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return
    pages = "".join(_lines(root / "proc/self/statm")).split()
    used = int(pages[0]) * resource.getpagesize() if pages else 0
    yield limit - used


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None
