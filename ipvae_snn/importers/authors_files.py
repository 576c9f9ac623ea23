"""Files beside the checkpoints of Vafaii, Galor and Yates: JSON settings, and data set names."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ipvae_snn.config.preparation import Constants, Preparation
from ipvae_snn.errors import FileFormatError
from ipvae_snn.ir.parts import InputKind

MAX_BYTES: Final = 1 << 20  # real settings have below 1,000 bytes
# Patches are cut from whitened or standardised photographs; their side is in the name.
_PATCHES: Final = re.compile(r"(?P<source>vH|Kyoto|CIFAR)(?P<side>16|32)(?:-(?P<how>wht|bw))?")
# Their whitened patches have mean 0 and deviation 1 each before they are cut to size.
_STANDARDISED: Final = Constants(0.0, 1.0, 0.0)
_OURS: Final = {
    "MNIST": "mnist",
    "FashionMNIST": "fashion-mnist",
    "Omniglot": "omniglot",
    "EMNIST": "EMNIST",
    "SVHN": "SVHN",
}
_SIDES: Final = {"SVHN": 32}
_DIGITS_SIDE: Final = 28


@dataclass(frozen=True)
class Settings:
    """Settings of a JSON file; none if there is no such file."""

    path: Path
    values: Mapping[str, Any]

    @property
    def known(self) -> bool:
        """Whether the file exists."""
        return bool(self.values)

    def text(self, name: str, default: str) -> str:
        """Return a text; FileFormatError if the setting is none."""
        value = self.values.get(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, value, "a text")
        return value

    def flag(self, name: str) -> bool:
        """Return true or false, false by default; FileFormatError if the setting is neither."""
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            raise self._wrong(name, value, "true or false")
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Return a number in [low, high]; FileFormatError if the setting is none."""
        value = self.values.get(name, default)
        wanted = f"a number from {low:g} to {high:g}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, value, wanted)
        if not (math.isfinite(value) and low <= value <= high):
            raise self._wrong(name, value, wanted)
        return float(value)

    def _wrong(self, name: str, value: object, wanted: str) -> FileFormatError:
        return FileFormatError(
            f"{self.path}: {name} is {str(value)[:80]!r}, but {wanted} is needed; correct the file"
        )


@dataclass(frozen=True)
class DataFacts:
    """Images of a data set of the authors: (height, width), kind of pixels, and our name for it.

    preparation: of whitened patches, how they were made; None for others.
    """

    image_shape: tuple[int, int] | None = None
    input_kind: InputKind | None = None
    name: str = ""
    preparation: Preparation | None = None


def read_settings(path: Path) -> Settings:
    """Return the settings in a JSON file, or none if it does not exist.

    Raises FileFormatError if it is no object of settings.
    """
    if not path.is_file():
        return Settings(path, {})
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise FileFormatError(f"{path}: not readable as JSON ({reason}); get it again") from error
    if not isinstance(values, dict) or not values:
        raise FileFormatError(f"{path}: holds no settings by name; get it again")
    return Settings(path, values)


def data_facts(dataset: str, n_pixels: int) -> DataFacts:
    """Return what the authors' name of a data set says about images of n_pixels pixels.

    A feeder after "+" (jitter, rotation) may crop images, so that a size is only stated if it has
    n_pixels pixels. Nothing is known of other names.
    """
    name = dataset.partition("+")[0]
    patches = _PATCHES.fullmatch(name)
    if patches is not None:
        ours = "vanhateren" if patches["source"] == "vH" else name
        facts = _facts(int(patches["side"]), "standardised", ours, n_pixels)
        if facts.image_shape is None or patches["how"] == "bw":
            return facts
        prepared = Preparation(facts.image_shape[0], "vafaii", constants=_STANDARDISED)
        return replace(facts, preparation=prepared)
    if name in _OURS:
        return _facts(_SIDES.get(name, _DIGITS_SIDE), "unit", _OURS[name], n_pixels)
    return DataFacts(name=name)


def _facts(side: int, kind: InputKind, name: str, n_pixels: int) -> DataFacts:
    return DataFacts((side, side) if side * side == n_pixels else None, kind, name)
