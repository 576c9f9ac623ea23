"""Protocols of a model, a decoder and a dictionary, for training, validation and float layers.

A model is a frozen dataclass of tensors whose methods are pure functions. A new model beside the
Poisson one (`poisson.PoissonLatents`) is one such class and one line in `registry`. Shapes: batch
B, pixels M, neurons K.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from ipvae_snn.config.settings import KlForm, ModelConfig, RelaxationKind, TrainConfig
from ipvae_snn.models.likelihood import GramLikelihood, Likelihood
from ipvae_snn.models.shapes import Number

State = TypeVar("State")
Draw = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LatentSettings:
    """Constants of a model that are not learnt.

    clip, floor: soft upper and hard lower bound of the potential and of its change, in nats.
    updates_per_step, leak: see `config.settings.ModelConfig`. kl: the form of the divergence.
    relaxation: of latents with a gradient.
    """

    clip: Number
    floor: float
    updates_per_step: int = 1
    leak: float = 0.0
    kl: KlForm = "code"
    relaxation: RelaxationKind = "sigmoid"

    @classmethod
    def of(cls, model: ModelConfig, clip: Number, train: TrainConfig) -> "LatentSettings":
        """Return the settings of a network while its soft clip is `clip`."""
        dynamics = clip, model.floor, model.updates_per_step, model.leak
        return cls(*dynamics, train.kl, train.relaxation)


class LatentModel(Protocol[State]):
    """Distribution q over latents, and the update of its parameters (the state) by the input."""

    @property
    def updates_per_step(self) -> int:
        """Updates of the state in one inference step, from 1 up."""

    def initial(self, n_rows: int) -> State:
        """Return the state of n_rows images before their first update: the learnt prior."""

    def first(self, x: Tensor) -> State:
        """Return the state of images x (B, M) before their first update.

        It is `initial`, unless an encoder gives it.
        """

    def begin(self, moved: Tensor) -> State:
        """Return the first state of images whose start moves it from `initial` by (B, K)."""

    @property
    def numbers(self) -> int:
        """Numbers n of a neuron's state."""

    def shifted(self, state: State, by: Tensor) -> State:
        """Return the state moved by (B, n K) numbers, softly clipped."""

    def draws(self, generator: torch.Generator, temperature: float = 0.0) -> Draw:
        """Return a source of latents for `sample`: exact, or relaxed with a gradient.

        temperature: of the relaxation; 0 for exact latents.
        """

    def sample(self, state: State, draw: Draw) -> Tensor:
        """Return latents z (B, K) drawn from the distribution with the parameters `state`."""

    def update(self, state: State, start: State, drive: Tensor, z: Tensor) -> State:
        """Return the state after one update.

        drive (B, K) is phi^T diag(1/sigma^2) (x - phi z) for the latents z (B, K); `start` is the
        state at the start of the step, to which a leak pulls back.
        """

    def divergence(self, new: State, old: State) -> Tensor:
        """Return KL(q_new || q_old) summed over neurons: (B,), in nats."""

    def messages(self, state: State) -> Tensor:
        """Return the chance (B, K) that a neuron sends: that its latent is not 0."""

    def rates(self, state: State) -> Tensor:
        """Return the latents (B, K) that the MAP read-out decodes: means, of signed latents too."""

    def potential(self, state: State) -> Tensor:
        """Return the part of the state (B, K) that an update's drive moves first."""

    def activity(self, state: State) -> Tensor:
        """Return the mean size (B, K) of the latents: of counts, their rates."""


class OwnWeights(NamedTuple):
    """Weights of inference that are not formed from the decoder, differentiable.

    feedforward (K, M): drive per pixel. competition (K, K): row j is what a spike of neuron j
    takes from each drive. start (K, M): what a pixel adds to the first potentials; None where they
    are the same for all images.
    """

    feedforward: Tensor
    competition: Tensor
    start: Tensor | None = None


class Decoder(Protocol):
    """Decoder x^ = f(z) with Gaussian pixel noise sigma."""

    @property
    def linear(self) -> "Dictionary | None":
        """The decoder itself where f is linear, else None."""

    def decode(self, z: Tensor) -> Tensor:
        """Return the reconstruction f(z), (..., M), of latents z (..., K)."""

    def likelihood(self, frames: Tensor) -> Likelihood:
        """Return the likelihood of images (F, B, M) as a function of latents."""

    def power(self, e: Tensor) -> Tensor:
        """Return e^T diag(1/sigma^2) e, (...), of pixels e (..., M)."""

    def log_normaliser(self) -> Tensor:
        """Return the sum over pixels of log(sigma sqrt(2 pi)), a scalar, in nats."""


class Dictionary(Decoder, Protocol):
    """Linear decoder x^ = phi z with Gaussian pixel noise sigma."""

    @property
    def own(self) -> OwnWeights | None:
        """Weights with which inference runs, where they are not phi^T / sigma^2 and its Gram."""

    def project(self, e: Tensor) -> Tensor:
        """Return phi^T diag(1/sigma^2) e, (..., K), of pixels e (..., M)."""

    @property
    def in_gram_form(self) -> bool:
        """Whether competition goes by `by_distance`, which is then the faster way."""

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the positions that share their weights; (1, 1) without sharing.

        Neuron (feature * rows + row) * columns + column has a feature and a position.
        """

    def by_distance(self) -> Tensor:
        """Return the lateral competition phi^T diag(1/sigma^2) phi, (F, 2 a + 1, 2 b + 1, F).

        Entry (f, i, j, g) is what a spike of feature f takes from feature g, i - a rows below and
        j - b columns to the right. Without sharing it is (K, 1, 1, K).
        """

    def competition(self) -> Callable[[Tensor], Tensor]:
        """Return the lateral competition z -> z phi^T diag(1/sigma^2) phi of latents z (B, K).

        What all calls share is computed once, in this call.
        """


def own_weights(decoder: Decoder) -> OwnWeights | None:
    """Return the weights of inference that are not formed from the decoder, if it has any."""
    return None if decoder.linear is None else decoder.linear.own


def first_state(model: LatentModel[State], decoder: Decoder, x: Tensor) -> State:
    """Return the state of images x (B, M) before their first update.

    It is the model's own, unless the dictionary has a start (amortised inference).
    """
    own = own_weights(decoder)
    if own is None or own.start is None:
        return model.first(x)
    return model.begin(x @ own.start.T)


def advance(
    model: LatentModel[State], state: State, draw: Draw, drive: Callable[[Tensor], Tensor]
) -> tuple[Tensor, State]:
    """Take one inference step of model.updates_per_step updates.

    drive(z) gives the drive (B, K) at latents z (B, K). Returns the latents z (B, K) of the last
    update and the state after it.
    """
    start = state
    for _ in range(model.updates_per_step):
        z = model.sample(state, draw)
        state = model.update(state, start, drive(z), z)
    return z, state


def drive(dictionary: Dictionary, x: Tensor, z: Tensor) -> Tensor:
    """Return the drive (B, K) of pixels x (B, M) at latents z (B, K).

    It is phi^T diag(1/sigma^2) (x - phi z), computed over the pixels, where inference has no
    weights of its own.
    """
    own = dictionary.own
    if own is None:
        return dictionary.project(x - dictionary.decode(z))
    return x @ own.feedforward.T - z @ own.competition


def inference(decoder: Decoder, frames: Tensor) -> Likelihood:
    """Return the likelihood of images (F, B, M) that inference follows.

    It is the decoder's, or has weights of its own if there are any.
    """
    own = own_weights(decoder)
    if own is None:
        return decoder.likelihood(frames)
    return GramLikelihood(frames @ own.feedforward.T, lambda z: z @ own.competition)


def negative_log_likelihood(decoder: Decoder, x: Tensor, z: Tensor) -> Tensor:
    """Return -log N(x; f(z), diag(sigma^2)) of pixels x (B, M): (B,), in nats."""
    return 0.5 * decoder.power(x - decoder.decode(z)) + decoder.log_normaliser()
