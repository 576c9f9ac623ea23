"""Loss and gradient of a batch, by the fastest way that the device and the model have.

On the CPU the Poisson model has compiled passes. Elsewhere torch differentiates, on CUDA devices as
a captured graph (`cuda_graphs`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.arrays import UInt64
from ipvae_snn.config.settings import Config
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.models.gaussian import GaussianLatents
from ipvae_snn.models.parameters import ModelParameters, PoissonParameters, TrainableModule
from ipvae_snn.models.poisson_samples import MAX_MEAN_ARRIVALS, run_away
from ipvae_snn.models.protocol import Decoder, Dictionary, LatentModel, LatentSettings
from ipvae_snn.models.registry import COMPILED, COMPILED_GAUSSIAN
from ipvae_snn.models.relaxations import RELAXATIONS
from ipvae_snn.models.shapes import Number
from ipvae_snn.training.cuda_graphs import (
    CapturedIteration,
    CaptureError,
    Inputs,
    captured_on_cuda,
    refused,
    uses_cuda_graphs,
    without,
)
from ipvae_snn.training.device_samples import Draw, device_draws, relaxed_draws, uses_triton
from ipvae_snn.training.gaussian_loss import gaussian_loss, is_compiled
from ipvae_snn.training.gaussian_unrolled import Workspace
from ipvae_snn.training.objective import Unrolled, unrolled_by_autodiff, unrolled_loss
from ipvae_snn.training.one_pass import one_pass_loss
from ipvae_snn.training.random_streams import Stream, keyed_generator, keyed_seed, noise_keys
from ipvae_snn.training.schedules import ScheduleValues
from ipvae_snn.training.segments import Segment, in_all
from ipvae_snn.training.settled import settled_loss
from ipvae_snn.training.straight_through import FakeRounding, RoundedDictionary
from ipvae_snn.training.unrolling import Unrolling


def unrolling(config: Config, now: ScheduleValues, keys: UInt64, first_row: int = 0) -> Unrolling:
    """Return the unrolling of inference at the scheduled values `now`."""
    return Unrolling(
        steps=now.steps,
        updates_per_step=config.model.updates_per_step,
        leak=config.model.leak,
        clip=now.clip,
        floor=config.model.floor,
        code_form=config.train.kl == "code",
        temperature=now.temperature,
        cutoff=RELAXATIONS[config.train.relaxation].cutoff,
        relaxation=config.train.relaxation,
        samples=config.train.samples,
        late_power=config.train.late_power,
        priced=config.train.message_price > 0 or config.train.spike_price > 0,
        message_price=now.message_price,
        spike_price=now.spike_price,
        keys=keys,
        first_row=first_row,
        threads=config.train.threads,
    )


class Batch(NamedTuple):
    """Rows of an iteration's batch: x (B, M) or (B, F, M), their first row, their share of all."""

    x: Tensor
    first_row: int
    share: float


class TrainingLoss:
    """Loss of a network in training.

    rounding: of the matrices that inference sees, if any. notice: receives the reason where
    training goes on without CUDA graphs. Raises ConfigError for settings that the device cannot
    satisfy.
    """

    def __init__(
        self,
        config: Config,
        device: torch.device,
        model: TrainableModule,
        rounding: FakeRounding | None,
        notice: Callable[[str], None],
    ) -> None:
        self.config, self.device, self.model, self.rounding = config, device, model, rounding
        self.notice, self.workspace = notice, Workspace()
        uses_triton(config, device)  # refuses what cannot be
        self.captured = self._captured() if uses_cuda_graphs(config, device, notice) else None

    def differentiated(self, batch: Batch, iteration: int, now: ScheduleValues) -> Unrolled:
        """Return the figures of a batch; the parameters get its share of the gradient.

        The figures are valid until the next call. Raises TrainingError where the rates have run
        away, ConfigError where train.cuda_graphs is on but the capture fails.
        """
        if self.captured is not None:
            seed = keyed_seed(self.config.train.seed, Stream.NOISE, iteration, batch.first_row)
            try:
                return self.captured(batch.x, now, seed, batch.share)
            except CaptureError as error:
                if self.config.train.cuda_graphs == "on":
                    raise refused(str(error)) from error
                self.notice(without(str(error)))
                self.captured = None
        count = self.config.train.segments
        segment, results = Segment(), []
        for number in range(1, count + 1):
            unrolled = self._unrolled(batch, iteration, now, segment)
            torch.autograd.backward(unrolled.loss * (batch.share / count))
            results.append(unrolled)
            segment = Segment(number, unrolled.state)
        return in_all(results)

    def latents(self, parameters: ModelParameters, clip: Number) -> LatentModel[Any]:
        """Return the model at a soft clip: the present one, at which its weights were learnt."""
        return parameters.latents(LatentSettings.of(self.config.model, clip, self.config.train))

    def dictionary(self, parameters: ModelParameters) -> tuple[Decoder, RoundedDictionary | None]:
        """Return the decoder, and its rounding for inference, if any."""
        dictionary = parameters.dictionary
        if self.rounding is None:
            return dictionary, None
        # The settings allow rounding of a dense dictionary only.
        return dictionary, RoundedDictionary(self.rounding, cast(DenseDictionary, dictionary))

    def _captured(self) -> CapturedIteration:
        """Return the iteration, which is captured when it first runs."""

        def loss(inputs: Inputs, now: ScheduleValues, draw: Draw) -> Unrolled:
            return self._by_autodiff(inputs, now, lambda model: draw)

        draws = device_draws(self.config, self.device)
        learnt = [one for one in self.model.parameters() if one.requires_grad]
        return CapturedIteration(loss, learnt, draws, captured_on_cuda)

    def _unrolled(
        self, batch: Batch, iteration: int, now: ScheduleValues, segment: Segment
    ) -> Unrolled:
        train, updates = self.config.train, self.config.model.updates_per_step
        compiled = self.device.type == "cpu" and self.config.model.kind == COMPILED
        parameters = self.model.view()
        linear = parameters.dictionary.linear
        if compiled and linear is not None and linear.in_gram_form:
            keys = noise_keys(train, iteration, updates, segment.number)
            unroll = unrolling(self.config, now, keys, batch.first_row)
            poisson = cast(PoissonParameters, parameters)
            unrolled = unrolled_loss(
                poisson, batch.x, now.beta, unroll, self.rounding, segment.carried
            )
            if unrolled.arrivals > MAX_MEAN_ARRIVALS:
                raise run_away(unrolled.max_rate.item(), unrolled.rate.item())
            return unrolled
        generator = keyed_generator(
            self.device, train.seed, Stream.NOISE, iteration, batch.first_row, segment.number
        )
        if self._is_compiled_gaussian(parameters, now):
            model = cast(GaussianLatents, self.latents(parameters, now.clip))
            draw = model.draws(generator)
            unroll = unrolling(self.config, now, np.zeros(0, np.uint64))
            decoder = cast(Dictionary, linear)
            given = model, decoder, batch.x, lambda u, _: draw(u), now.beta, unroll
            return gaussian_loss(*given, segment.carried, self.workspace)
        return self._by_autodiff(
            Inputs(batch.x, now.beta, now.clip, now.message_price, now.spike_price),
            now,
            lambda model: relaxed_draws(self.config, model, generator, now.temperature),
            segment.carried,
        )

    def _is_compiled_gaussian(self, parameters: ModelParameters, now: ScheduleValues) -> bool:
        linear, kind = parameters.dictionary.linear, self.config.model.kind
        if self.device.type != "cpu" or kind not in COMPILED_GAUSSIAN or linear is None:
            return False
        return is_compiled(linear, unrolling(self.config, now, np.zeros(0, np.uint64)))

    def _by_autodiff(
        self,
        inputs: Inputs,
        now: ScheduleValues,
        draws: Callable[[LatentModel[Any]], Draw],
        carried: Any = None,
    ) -> Unrolled:
        """Return the loss that torch differentiates; `now` gives the number of steps alone.

        carried: the state in which a segment begins, None for the first one.
        """
        parameters = self.model.view()
        model = self.latents(parameters, inputs.clip)
        draw = draws(model)
        dictionary, rounding = self.dictionary(parameters)
        unroll = replace(
            unrolling(self.config, now, np.zeros(0, np.uint64)),
            message_price=inputs.message_price,
            spike_price=inputs.spike_price,
        )

        def sample(u: Tensor, _: int) -> Tensor:
            return draw(u)

        member = MEMBERS[self.config.model.kind]
        if member.learning != "unrolled":
            every = member.learning == "incremental"
            return settled_loss(model, dictionary, inputs.x, sample, unroll, every)
        if member.one_step:
            return one_pass_loss(model, dictionary, inputs.x, sample, inputs.beta, unroll)
        return unrolled_by_autodiff(
            model, dictionary, inputs.x, sample, inputs.beta, unroll, rounding, carried
        )
