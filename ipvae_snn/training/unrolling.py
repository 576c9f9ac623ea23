"""Settings of unrolled inference."""

from dataclasses import dataclass

from torch import Tensor

from ipvae_snn.arrays import UInt64
from ipvae_snn.config.settings import KlForm, RelaxationKind
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.models.shapes import Number


@dataclass(frozen=True)
class Unrolling:
    """Settings of unrolled inference.

    steps: steps T, each of updates_per_step updates with `leak`; the last update of a step enters
    the loss. keys: of the noise, uint64, one for u0, one per update, and with two samples one more
    per update. first_row: index of the first row in the whole batch. threads: of the elementwise
    passes. relaxation: of the counts. samples: 1, or 2 for a second sample that enters the loss
    alone. Step t sees frame t * F // T of F. late_power: of `step_weights`. priced: whether the
    loss charges for what is sent; message_price, spike_price: of a neuron that sends and of a
    spike, in nats per step.
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
    relaxation: RelaxationKind = "sigmoid"
    samples: int = 1
    late_power: float = 0.0
    priced: bool = False
    message_price: Number = 0.0
    spike_price: Number = 0.0

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

    def step(self, update: int) -> int:
        """Return the step 0 .. T - 1 of update 1 .. N."""
        return (update - 1) // self.updates_per_step

    def second(self, update: int) -> int:
        """Return the number of the second sample after `update` 1 .. N; it has a key of its own."""
        return self.updates + update

    @property
    def step_weights(self) -> tuple[float, ...]:
        """The weight of the fit after each step."""
        return step_weights(self.steps, self.late_power)

    @property
    def shares(self) -> tuple[float, ...]:
        """The samples' shares in the loss's mean."""
        return (1.0 / self.samples,) * self.samples

    @property
    def latents(self) -> LatentSettings:
        """Constants of the Poisson model."""
        form: KlForm = "code" if self.code_form else "exact"
        dynamics = self.clip, self.floor, self.updates_per_step, self.leak
        return LatentSettings(*dynamics, form, self.relaxation)


@dataclass(frozen=True)
class Rounded:
    """Rounded replacements of G (K, K) and b (F, B, K) in inference; without gradients.

    competition (K, K): row j is what a spike of neuron j subtracts from every drive; back (K, K) is
    its transpose. drive (F, B, K): the feed-forward drive.
    """

    competition: Tensor
    back: Tensor
    drive: Tensor


def step_weights(steps: int, late_power: float) -> tuple[float, ...]:
    """Return weights of steps 0 .. steps - 1, as (t + 1)^late_power, 1 on average."""
    grown = [float(t + 1) ** late_power for t in range(steps)]
    return tuple(steps * weight / sum(grown) for weight in grown)
