"""Growth of this process's memory during a block, where the system reports it."""

import ctypes
import ctypes.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")
_RESET: Final = Path("/proc/self/clear_refs")


@dataclass
class Growth:
    """bytes: largest growth of the memory in use since the start; None if not known."""

    bytes: int | None = None


@contextmanager
def measured_growth() -> Iterator[Growth]:
    """Measure the block; on systems other than Linux the growth stays None."""
    growth = Growth()
    start = _start()
    yield growth
    if start is not None:
        growth.bytes = _read("VmHWM") - start


def _start() -> int | None:
    """Release freed memory, reset the peak, and return the bytes in use."""
    name = ctypes.util.find_library("c")
    try:
        ctypes.CDLL(name).malloc_trim(0)
        _RESET.write_text("5")  # the peak; see proc(5)
        return _read("VmRSS")
    except (
        OSError,
        AttributeError,
    ):  # no /proc, no permission to write there, or another C library
        return None


def _read(name: str) -> int:
    result = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    if result is None:
        raise OSError(f"{_STATUS} does not report {name}")
    return 1024 * int(result[1])
