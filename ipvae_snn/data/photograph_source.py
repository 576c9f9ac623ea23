"""Where photographs come from."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ipvae_snn.data.pictures import Frame


class Source(NamedTuple):
    """One file of photographs, or one photograph of an array; `read` returns its pictures."""

    name: str
    read: Callable[[], Sequence[Frame]]
    label: int | None = None
