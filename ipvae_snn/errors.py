"""Error classes for users; every message gives the subject, the value, the limit and a fix.

Messages quote names and values from files, which may be hostile. Here they become harmless: one
printable line of limited length.
"""

import re
from typing import Any, ClassVar, Final

TRACE: Final = "; its traceback follows\n"  # in a BackendError of another process
MAX_MESSAGE: Final = 380  # characters; with "ipvae-snn: error: " below 400
MAX_VALUE: Final = 100
GAP: Final = " ... "
_BREAK: Final = re.compile(r"\s*[\r\n]\s*")


def printable(text: str, keep: str = "") -> str:
    """Return `text` with every character escaped that a terminal would obey or not show.

    These are control characters (escape sequences begin with one), invisible and bidirectional
    marks, and bytes that are no text. keep: characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


def shortened(text: str, limit: int) -> str:
    """Return `text` with its middle cut out if it is longer than `limit`: both ends inform."""
    if len(text) <= limit:
        return text
    end = limit // 3
    return text[: limit - end - len(GAP)] + GAP + text[len(text) - end :]


def one_line(text: str, most: int = MAX_MESSAGE) -> str:
    """Return `text` as one printable line of at most `most` characters."""
    return shortened(printable(_BREAK.sub(" ", text.strip())), most)


def brief(value: Any) -> str:
    """Return the representation of a value from a file, shortened; deep ones give their type."""
    try:
        return shortened(repr(value), MAX_VALUE)
    except (RecursionError, ValueError):  # nested too deep; an integer of too many digits
        return f"a {type(value).__name__} too large to show"


class IpvaeError(Exception):
    """Base of all errors that the command line reports as one clear line.

    The message becomes one printable line of at most `most` characters. A traceback that follows
    TRACE keeps its lines.
    """

    most: ClassVar[int] = MAX_MESSAGE

    def __init__(self, message: str = "") -> None:
        first, mark, trace = message.partition(TRACE)
        super().__init__(one_line(first, self.most) + mark + printable(trace, keep="\n\t"))


class ConfigError(IpvaeError):
    """A setting is unknown, of the wrong type or outside its limits."""


class DataError(IpvaeError):
    """Images are missing, of the wrong size, not finite or out of range."""


class MissingDataError(DataError):
    """The files of a data set are nowhere; the message names every place that was searched."""

    most = 2000


class IpvaeWarning(UserWarning):
    """Base of all warnings that the command line shows as one clear line, once."""


class OutputWarning(IpvaeWarning):
    """A result is written, but not everywhere where the user may expect it."""


class DataWarning(IpvaeWarning):
    """Images can be read in two ways; the warning says which one was taken."""


class FileFormatError(IpvaeError):
    """A file is missing, truncated, foreign, or of a newer version."""


class ConversionError(IpvaeError):
    """A float network cannot be expressed within the integer network's limits."""


class BackendError(IpvaeError):
    """A back end failed while it ran."""


class BackendUnavailableError(BackendError):
    """A back end cannot run here; the message says what to install."""


class MemoryLimitError(IpvaeError):
    """A step would need more memory than is free."""


class DivergedError(IpvaeError):
    """Two back ends that must agree do not."""


class TrainingError(IpvaeError):
    """Training left the region where it can succeed (not finite, silent, or run away)."""


class ProgramError(IpvaeError):
    """An integer network breaks a structural rule of its specification."""


class SaturatedError(IpvaeError):
    """A run saturated, or its back end does not count saturations, and the user forbade it."""


class FitError(IpvaeError):
    """A network exceeds a limit of the chip on which it is to be placed.

    The message names every limit that is exceeded, so it may be longer than others.
    """

    most = 2000


class OutputError(IpvaeError):
    """A result cannot be written where the user wants it, or would destroy something there."""
