"""Pillow's decoders, so called that a damaged picture is one DataError and nothing is printed."""

import logging
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Final

from PIL import Image, ImageFile, UnidentifiedImageError

from ipvae_snn.data import tiff
from ipvae_snn.data.libtiff import errors_of_libtiff
from ipvae_snn.errors import DataError

# Named, since Pillow would otherwise try all formats it knows on any file, and starts Ghostscript
# for PostScript. A JPEG of several pictures opens as MPO.
FORMATS: Final = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM")
_DAMAGE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombWarning,
    Image.DecompressionBombError,
)
# Pillow's warnings are about metadata, with these exceptions: a TIFF file's metadata describe its
# pixels (a tag with too many values does no harm), and an animation would become one picture.
_HARMLESS_IN_TIFF: Final = "Metadata Warning"
_NO_ANIMATION: Final = "Invalid APNG"


@contextmanager
def damage_named(subject: str) -> Iterator[None]:
    """Turn every fault of a picture within the block into a DataError."""
    try:
        yield
    except _DAMAGE as error:
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{subject}: not a readable image ({detail}); fix or remove it") from error


@contextmanager
def stream_of(path: Path, subject: str) -> Iterator[IO[bytes]]:
    """Open a file for reading; DataError naming `subject` if that fails."""
    try:
        stream = path.open("rb")
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise DataError(f"{subject}: {reason}; fix or remove it") from error
    with stream:
        yield stream


@contextmanager
def opened(source: IO[bytes], subject: str) -> Iterator[ImageFile.ImageFile]:
    """Yield the opened image; every fault of the file within the block becomes a DataError.

    Pillow and libtiff decode some damaged files in part, and only say so: that is a fault too.
    """
    said: list[str] = []
    with damage_named(subject):
        try:
            with _remarks() as remarks, _sound(source) as image:
                is_tiff = image.format == "TIFF"
                with errors_of_libtiff() if is_tiff else nullcontext(said) as said:
                    yield image
                said += _serious(remarks, is_tiff)
        except UnidentifiedImageError as error:
            raise DataError(_foreign(source, subject)) from error
        except _DAMAGE as error:
            raise ValueError(said[0] if said else str(error) or type(error).__name__) from error
        if said:
            raise ValueError(said[0])


def _foreign(source: IO[bytes], subject: str) -> str:
    """Return the message on a file that no decoder takes."""
    if not source.seek(0, os.SEEK_END):
        return f"{subject}: not a readable image (the file is empty); fix or remove it"
    with _remarks():
        pixels = tiff.described(source)
    if pixels is None:
        known = ", ".join(FORMATS)
        return f"{subject}: not a readable image (cannot identify any of {known}); fix or remove it"
    return (
        f"{subject}: a TIFF file with {pixels}, which is not supported, or damaged; save it as "
        "8-bit or 16-bit grey or colour, or 32-bit floats in grey"
    )


@contextmanager
def _sound(source: IO[bytes]) -> Iterator[ImageFile.ImageFile]:
    """Yield the opened image; of PNG, Pillow compares checksums only if it is asked to."""
    with Image.open(source, formats=FORMATS) as image:
        if image.format != "PNG":
            yield image
            return
        image.verify()
    source.seek(0)
    with Image.open(source, formats=("PNG",)) as image:
        yield image


@contextmanager
def _remarks() -> Iterator[list[warnings.WarningMessage]]:
    """Yield Pillow's warnings during the block, which are not printed, nor are lines of its log."""
    log, nowhere = logging.getLogger("PIL"), logging.NullHandler()
    log.addHandler(nowhere)
    try:
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield remarks
    finally:
        log.removeHandler(nowhere)


def _serious(remarks: list[warnings.WarningMessage], is_tiff: bool) -> list[str]:
    """Return the warnings that say that pixels may be wrong or missing."""
    texts = [str(remark.message) for remark in remarks]
    if is_tiff:
        return [text for text in texts if not text.startswith(_HARMLESS_IN_TIFF)]
    return [text for text in texts if text.startswith(_NO_ANIMATION)]
