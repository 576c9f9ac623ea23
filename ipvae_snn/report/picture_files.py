"""Files of pictures: their formats, the folder that a user names, and writing whole files.

Matplotlib is imported only where something is drawn.
"""

import gzip
import os
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from PIL import ExifTags
from PIL.Image import Exif

from ipvae_snn.choices import choose
from ipvae_snn.errors import ConfigError, OutputError
from ipvae_snn.report.document import Picture
from ipvae_snn.storage.atomic import atomic_path, new_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# hashsalt: a picture always gives the same SVG.
STYLE: Final[Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "ipvae-snn",
}
CREATOR: Final = "ipvae-snn"  # in every file, so that a later run knows that it may replace it


def _exif() -> bytes:
    """Return EXIF data that name the creator."""
    data = Exif()
    data[ExifTags.Base.Software] = CREATOR
    return data.tobytes()


# By suffix, what makes savefig name the creator. None omits the date.
FORMATS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        ".png": {"metadata": {"Software": CREATOR}},
        ".svg": {"metadata": {"Creator": CREATOR, "Date": None}},
        ".svgz": {"metadata": {"Creator": CREATOR, "Date": None}},
        ".pdf": {"metadata": {"Creator": CREATOR, "CreationDate": None}},
        ".eps": {"metadata": {"Creator": CREATOR}},
        ".ps": {"metadata": {"Creator": CREATOR}},
        ".jpg": {"pil_kwargs": {"comment": CREATOR}},
        ".jpeg": {"pil_kwargs": {"comment": CREATOR}},
        ".tif": {"pil_kwargs": {"software": CREATOR}},
        ".tiff": {"pil_kwargs": {"software": CREATOR}},
        ".webp": {"pil_kwargs": {"exif": _exif()}},
    }
)
GZIP: Final = b"\x1f\x8b"
BEGINNINGS: Final = (b"\x89PNG", b"<?xml", b"%PDF", b"%!PS", b"\xff\xd8", b"II*", b"MM", b"RIFF")
FAULT_CHARACTERS: Final = 200  # of an error's text, in a warning
MARKED_BYTES: Final = 1 << 16  # at either end of a file, where the creator is named
DPI: Final = 140
VECTOR_DPI: Final = 300  # a pixel of an image in them is many, and its edge stays sharp
VECTOR: Final = frozenset(("svg", "svgz", "pdf", "eps", "ps"))


def format_of(path: Path) -> str:
    """Return the format of the suffix of `path`; raise ConfigError for an unknown suffix."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ConfigError(
            f"{path}: no picture can be written with the suffix {suffix!r}; end the name in one "
            f"of {', '.join(FORMATS)}"
        )
    return suffix.removeprefix(".")


@contextmanager
def page(path: Path, width: float, height: float, new: bool = False) -> Iterator["Figure"]:
    """Yield a figure of (width, height) inches without a display, then write it to `path`.

    The suffix gives the format. The file is written atomically; new: only where nothing lies. A
    user's matplotlibrc changes nothing. Raises ConfigError for a suffix that is not in FORMATS,
    before anything is drawn.
    """
    # Imported here, since Matplotlib loads slowly and most commands draw nothing.
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    form = format_of(path)
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        with (new_file if new else atomic_path)(path) as temporary:
            figure.savefig(temporary, dpi=_dpi(form), format=form, **FORMATS[f".{form}"])


def is_picture(path: Path) -> bool:
    """Return whether the file at `path` is a picture that this module wrote."""
    try:
        with path.open("rb") as handle:
            if handle.read(2) == GZIP:
                return CREATOR.encode() in gzip.open(path).read(MARKED_BYTES)
            handle.seek(0)
            start = handle.read(MARKED_BYTES)
            handle.seek(max(path.stat().st_size - MARKED_BYTES, 0))
            return start.startswith(BEGINNINGS) and CREATOR.encode() in start + handle.read()
    except (OSError, EOFError, zlib.error):
        return False


def save(picture: Picture, path: Path, free: Collection[Path] = ()) -> Picture:
    """Write a picture to `path` and return it with this path, or with its fault.

    A result that took hours must not be lost for a picture of it, so whatever fails while it is
    drawn or written becomes its `fault`. free: paths where nothing is replaced. Raises ConfigError
    for an unknown suffix.
    """
    format_of(path)
    try:
        with page(path, *picture.size, path in free) as figure:
            picture.draw(figure)
    except Exception as error:  # a user's Matplotlib, fonts and figures may raise anything
        text = str(error)
        if isinstance(error, OSError) and error.filename == str(path):
            text = error.strerror or text
        reason = " ".join(text.split())[:FAULT_CHARACTERS]
        what = "" if isinstance(error, OSError | OutputError) else f"{type(error).__name__}: "
        return replace(picture, fault=f"{path} was not drawn ({what}{reason})")
    return replace(picture, path=path)


class PictureFolder(NamedTuple):
    """Folder for a command's pictures, and their format: png, svg, pdf or another of FORMATS.

    free: paths where nothing is replaced (`storage.outputs.check_outputs`).
    """

    folder: Path
    form: str = "png"
    free: Collection[Path] = ()

    def file(self, name: str) -> Path:
        """Return the file of the picture called `name`."""
        return self.folder / f"{name}.{self.form}"


def picture_folder(
    folder: str | os.PathLike[str] | None, form: str = "png"
) -> PictureFolder | None:
    """Return a folder of pictures, None without one; raise ConfigError for an unknown format."""
    known = [suffix.removeprefix(".") for suffix in FORMATS]
    checked = choose(form, known, "format of pictures")
    return None if folder is None else PictureFolder(Path(folder), checked)


def save_all(pictures: Iterable[Picture], folder: PictureFolder) -> tuple[Picture, ...]:
    """Write pictures into `folder` as `save` does; return them with their paths or faults."""
    return tuple(save(picture, folder.file(picture.name), folder.free) for picture in pictures)


def _dpi(form: str) -> int:
    """Return the resolution: of a vector format, that of the images in it, which are enlarged."""
    return VECTOR_DPI if form in VECTOR else DPI
