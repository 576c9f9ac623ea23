"""Set up Lava's environment."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ipvae_snn.hw.lava import environment
from ipvae_snn.report.document import Document, paragraph


@dataclass(frozen=True)
class LavaReady:
    """The Python that runs Lava, and the kind of its environment."""

    python: Path
    kind: str

    def as_json(self) -> dict[str, str]:
        """Return plain data."""
        return {"python": str(self.python), "kind": self.kind}

    def document(self) -> Document:
        """Return one line."""
        return Document("Lava", (paragraph(f"Lava runs in {self.python}"),))


def setup(say: Callable[[str], None]) -> LavaReady:
    """Find or make an environment, as `hw.lava.environment.setup`; say: receives its messages."""
    result = environment.setup(say)
    return LavaReady(result.python, result.kind)
