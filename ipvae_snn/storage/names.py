"""Names of files as users write them, and as text that every file format can hold."""

from pathlib import Path


def home_path(text: str) -> Path:
    """Return the path `text` with `~` and `~user` replaced by the home folder, if it is known."""
    path = Path(text)
    try:
        return path.expanduser() if text.startswith("~") else path
    except RuntimeError:
        return path


def printable(name: str) -> str:
    r"""Return a file's name as valid Unicode: bytes that are not UTF-8 are written as \xe9.

    Python holds such bytes as lone surrogates, which no JSON, TOML or ONNX file can hold.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
