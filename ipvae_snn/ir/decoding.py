"""What the reconstruction is decoded from: the last counts, the mean of several, or the rates."""

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from ipvae_snn.choices import suggestion
from ipvae_snn.errors import ConfigError, brief
from ipvae_snn.ir.rules import require

DecodingKind = Literal["sample", "mean", "map"]
MAX_DECODING_STEPS: Final = 1 << 12  # the sum of as many counts, like a rate, stays below 2**27
_NUMBER: Final = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True)
class Decoding:
    """What a decoder reads after the last step of an image, or of a frame.

    sample: that step's counts. mean: the mean of the counts of the last `steps` steps, of all steps
    where there were fewer. map: the rates at the membrane potentials after that step, at which the
    posterior has its mode. steps is 1 except for the mean.
    """

    kind: DecodingKind = "sample"
    steps: int = 1

    def __post_init__(self) -> None:
        """Check kind and number of steps; raise ProgramError."""
        known = get_args(DecodingKind)
        require(
            self.kind in known,
            f"decoding {brief(self.kind)} is not known here; known ones are {', '.join(known)}",
        )
        most = MAX_DECODING_STEPS if self.kind == "mean" else 1
        require(
            1 <= self.steps <= most,
            f"decoding steps {brief(self.steps)} are not in 1..{most}, as {self.kind} has them",
        )

    def __str__(self) -> str:
        """Return it as `decoding_of` reads it: sample, mean:4, map."""
        return f"mean:{self.steps}" if self.kind == "mean" else self.kind

    def window(self, steps: int) -> int:
        """Return the number of last steps whose counts are added up, of `steps`; 0 for map."""
        return 0 if self.kind == "map" else min(self.steps, steps)


SAMPLE: Final = Decoding()
MAP: Final = Decoding("map")
NAMES: Final = ("sample", "mean:N", "map")


def decoding_of(text: str) -> Decoding:
    """Return the decoding that a user names: sample, mean:N (of the last N steps), or map.

    Raises ConfigError for another name, and for a mean of no steps or of too many.
    """
    name, _, steps = text.partition(":")
    if name == "mean":
        if not _NUMBER.fullmatch(steps) or not 1 <= int(steps) <= MAX_DECODING_STEPS:
            raise ConfigError(
                f"decoding {brief(text)} needs its number of last steps, 1 to "
                f"{MAX_DECODING_STEPS}; give mean:4, for example"
            )
        return Decoding("mean", int(steps))
    named = {str(one): one for one in (SAMPLE, MAP)}
    if text not in named:
        raise ConfigError(
            f"no decoding is called {brief(text)}{suggestion(text, NAMES)}; there are "
            f"{', '.join(NAMES)}"
        )
    return named[text]
