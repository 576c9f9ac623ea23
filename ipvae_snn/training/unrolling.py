"""Settings of unrolled inference."""

from dataclasses import dataclass

from torch import Tensor

from ipvae_snn.arrays import UInt64
from ipvae_snn.config.settings import KlForm
from ipvae_snn.models.protocol import LatentSettings


@dataclass(frozen=True)
class Unrolling:
    """Settings of unrolled inference.

    steps: steps T, each of updates_per_step updates with `leak`; the last update of a step enters
    the loss. keys: of the noise, uint64, one for u0 and one per update. first_row: index of the
    first row in the whole batch. threads: of the elementwise passes. Step t sees frame
    t * F // T of F.
    """

    steps: int
    updates_per_step: int
    leak: float
    clip: float
    floor: float
    code_form: bool
    temperature: float
    cutoff: float
    keys: UInt64
    first_row: int = 0
    threads: int = 1

    @property
    def updates(self) -> int:
        """Total number of updates N."""
        return self.steps * self.updates_per_step

    def frame(self, update: int, n_frames: int) -> int:
        """Return the frame that update 1 .. N sees."""
        return (update - 1) // self.updates_per_step * n_frames // self.steps

    def start(self, update: int) -> int:
        """Return the index of the potentials at the start of the step of `update`."""
        return (update - 1) // self.updates_per_step * self.updates_per_step

    def in_loss(self, update: int) -> bool:
        """Return whether the potentials after `update` enter the loss."""
        return update % self.updates_per_step == 0

    @property
    def latents(self) -> LatentSettings:
        """Constants of the Poisson model."""
        form: KlForm = "code" if self.code_form else "exact"
        return LatentSettings(self.clip, self.floor, self.updates_per_step, self.leak, form)


@dataclass(frozen=True)
class Rounded:
    """Rounded replacements of G (K, K) and b (F, B, K) in inference; without gradients.

    competition (K, K): row j is what a spike of neuron j subtracts from every drive; back (K, K) is
    its transpose. drive (F, B, K): the feed-forward drive.
    """

    competition: Tensor
    back: Tensor
    drive: Tensor
