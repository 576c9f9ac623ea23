"""Preparation of images: what was done to a user's own, or to patches, before the network saw them.

A checkpoint and an integer network carry it, so that later commands treat images alike.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

from ipvae_snn.errors import FileFormatError

Whitening = Literal["olshausen", "undivided", "vafaii", "none"]
MAX_PATCH: Final = 256  # pixels at a side
MAX_WHITE: Final = float(1 << 32)


@dataclass(frozen=True)
class Constants:
    """Constants of the training patches, by which all patches are standardised.

    mean, deviation: of the whitened patches. least_contrast: patches of a smaller standard
    deviation (before standardising) are left out.
    """

    mean: float
    deviation: float
    least_contrast: float


@dataclass(frozen=True)
class Preparation:
    """Treatment of a user's own images, and of the named sets of patches.

    patches: pixels at a side of the patches cut from photographs, 0 for whole images. whiten: how
    photographs become whitened patches (`data.whitening_methods`): "olshausen" (Olshausen & Field
    1996, divided by local contrast), "undivided" (the same without that division), "vafaii" (as in
    the paper's code) or "none". white: the stored value that is white, 0 for that of the images'
    number type. constants: None until training patches have been measured.
    """

    patches: int = 0
    whiten: Whitening = "olshausen"
    white: float = 0.0
    constants: Constants | None = None

    @property
    def is_plain(self) -> bool:
        """Whether images are taken whole and by their number type."""
        return self.patches == 0 and self.white == 0

    def as_text(self) -> str:
        """Return JSON, as `from_text` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str, subject: str) -> "Preparation":
        """Return the preparation in JSON `text`; FileFormatError naming `subject` if it is none."""
        try:
            table = json.loads(text)
            constants = table["constants"]
            result = cls(
                patches=_whole(table["patches"]),
                whiten=_whitening(table["whiten"]),
                white=_within(table["white"], 0.0, MAX_WHITE),
                constants=None if constants is None else _constants(constants),
            )
        except (KeyError, TypeError, ValueError, RecursionError, OverflowError) as error:
            raise FileFormatError(
                f"{subject}: the preparation of its images is missing or malformed "
                f"({type(error).__name__}: {str(error)[:80]}); make the file again"
            ) from error
        return result


PLAIN: Final = Preparation()


def _constants(table: Mapping[str, Any]) -> Constants:
    return Constants(
        _within(table["mean"], -1e6, 1e6),
        _within(table["deviation"], 1e-9, 1e6),
        _within(table["least_contrast"], 0.0, 1e6),
    )


def _whole(value: Any) -> int:
    if type(value) is not int or value == 1 or not 0 <= value <= MAX_PATCH:
        raise ValueError(f"patches is {str(value)[:20]}, not 0 or 2 to {MAX_PATCH}")
    return value


def _whitening(value: Any) -> Whitening:
    for name in get_args(Whitening):
        if value == name:
            known: Whitening = name
            return known
    raise ValueError(f"whitening {str(value)[:20]!r} is not known")


def _within(value: Any, low: float, high: float) -> float:
    if type(value) not in (int, float) or not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{str(value)[:20]} does not lie in {low:g} to {high:g}")
    return float(value)
