"""Trainer: optimisation step, validation, checkpoint, resume."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, cast

import torch
from torch import Tensor

from ipvae_snn.arrays import UInt64
from ipvae_snn.config.settings import Config
from ipvae_snn.data.base import ImageSet
from ipvae_snn.models.checkpoint import Origin, save_model
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.parameters import LatentParameters, ModelParameters
from ipvae_snn.models.poisson_samples import MAX_MEAN_ARRIVALS, run_away
from ipvae_snn.models.protocol import Dictionary, LatentModel, LatentSettings
from ipvae_snn.models.registry import COMPILED, latent_model
from ipvae_snn.models.relaxations import RELAXATIONS
from ipvae_snn.models.trainable import Trainable, trainable
from ipvae_snn.training import health, pruning
from ipvae_snn.training.device_samples import relaxed_draws, uses_triton
from ipvae_snn.training.distributed import Processes
from ipvae_snn.training.frames import in_frames
from ipvae_snn.training.health import Step
from ipvae_snn.training.objective import Unrolled, unrolled_by_autodiff, unrolled_loss
from ipvae_snn.training.random_streams import Stream, batch_indices, keyed_generator, noise_keys
from ipvae_snn.training.run_folder import Record, RunFolder
from ipvae_snn.training.schedules import ScheduleValues, schedule_values
from ipvae_snn.training.state import TrainingState, require_fit, save_state
from ipvae_snn.training.straight_through import FakeRounding, RoundedDictionary
from ipvae_snn.training.unrolling import Unrolling
from ipvae_snn.training.validation import Validation, validate


@dataclass(frozen=True)
class TrainProgress:
    """Progress of a run: `iteration` of `iterations` are done.

    records: the records that this iteration added to the metrics.
    """

    iteration: int
    iterations: int
    loss: float
    validation: Validation | None
    records: tuple[Record, ...] = ()


Progress = Callable[[TrainProgress], None]
RELATIVE: Final = "relative"  # of an optimiser's group: its learning rate over the run's


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
        message_price=now.message_price,
        spike_price=now.spike_price,
        keys=keys,
        first_row=first_row,
        threads=config.train.threads,
    )


class Trainer:
    """State of one run: model, optimiser, images on the device, files."""

    def __init__(
        self,
        config: Config,
        images: ImageSet,
        validation: ImageSet,
        device: torch.device,
        folder: RunFolder,
        data: str,
        processes: Processes,
    ) -> None:
        self.config = config
        self.device = device
        self.folder = folder
        self.data = data
        self.processes = processes
        self.origin = Origin(
            images.name,
            images.kind,
            images.image_shape,
            images.path,
            preparation=images.preparation,
        )
        self.x = torch.from_numpy(in_frames(images, config.data)).to(device)
        self.x_validation = torch.from_numpy(in_frames(validation, config.data)).to(device)
        uses_triton(config, device)  # refuses what cannot be
        bits = config.train.quantise_aware
        self.rounding = FakeRounding.of(self.x, bits) if bits else None
        seed = config.train.seed
        initial = keyed_generator(torch.device("cpu"), seed, Stream.INITIAL, 0)
        self.model = trainable(config.model, images.image_shape, initial).to(device)
        self.kept: dict[str, Tensor] = {}
        self.optimiser = torch.optim.Adamax(
            _groups(self.model),
            lr=config.train.learning_rate,
            weight_decay=config.train.weight_decay,
        )

    def start_from(self, parameters: Mapping[str, Tensor]) -> None:
        """Replace initial parameters by the named ones."""
        named = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, values in parameters.items():
                named[name].copy_(values.reshape(named[name].shape))

    def start_sparse(self) -> None:
        """Replace the initial dictionary by one that codes the images sparsely.

        The process that leads computes it, so that all processes hold the same numbers.
        """
        # scikit-learn takes a second to import, and most runs start from noise.
        from ipvae_snn.training.dictionary_start import STARTS

        start = STARTS[self.config.model.dictionary]
        weights = torch.zeros_like(self.model.get_parameter(start.name))
        if self.processes.leads:
            images = self.x.reshape(-1, self.x.shape[-1]).cpu().numpy()
            values = start.weights(images, self.origin.image_shape, self.config)
            weights = torch.from_numpy(values).to(self.device)
        self.start_from({start.name: self.processes.total([weights])[0]})

    def save_initial_state(self) -> None:
        """Write the state before the first iteration.

        A run that ends before its first checkpoint resumes from here, with the same parameters.
        """
        save_state(
            self.folder.state,
            TrainingState(0, dict(self.model.named_parameters()), {}, self.config, self.data),
        )

    def run(self, state: TrainingState | None, progress: Progress) -> Validation:
        """Train from `state` to the last iteration; return the last validation."""
        settings = self.config.train
        done = 0
        if state is not None:
            self._restore(state)
            done = state.iteration
        latest: Validation | None = None
        bad = 0
        for iteration in range(done, settings.end):
            now = schedule_values(self.config.model, settings, iteration)
            self._prune(iteration, now)
            step = self._step(iteration, now)
            bad = health.check(step, self.x.shape[-1], iteration, settings, bad)
            done = iteration + 1
            last = done == settings.end
            records: list[Record] = []
            if done % settings.log_interval == 0 or last:
                records.append(_record(done, now, step))
            if last or (settings.validation_interval and done % settings.validation_interval == 0):
                latest = self._validate(done, now)
                records.append({"iteration": done, "kind": "validation", **asdict(latest)})
            if self.processes.leads:
                for record in records:
                    self.folder.append(record)
                if done % settings.checkpoint_interval == 0 or last:
                    self._checkpoint(done, now)
            progress(TrainProgress(done, settings.end, step.loss, latest, tuple(records)))
        if latest is None:
            # A finished run was resumed: after a kill its model may be one checkpoint behind.
            now = schedule_values(self.config.model, settings, done - 1)
            latest = self._validate(done, now)
            if self.processes.leads:
                self._checkpoint(done, now)
        return latest

    def _step(self, iteration: int, now: ScheduleValues) -> Step:
        settings = self.config.train
        batch = batch_indices(len(self.x), settings.batch_size, settings.seed, iteration)
        rows = self.processes.rows(len(batch))
        x = self.x[torch.from_numpy(batch[rows]).to(self.device)]
        unrolled = self._unroll(x, iteration, now, rows.start)
        for group in self.optimiser.param_groups:
            group["lr"] = now.learning_rate * group[RELATIVE]
        self.optimiser.zero_grad(set_to_none=True)
        # Every process has the mean over its own rows; this is its share of the whole mean.
        share = len(x) / len(batch)
        torch.autograd.backward(unrolled.loss * share)
        step = self._summed(unrolled, share)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), now.grad_clip)
        if float(norm) <= settings.grad_skip * now.grad_clip:
            self.optimiser.step()
            pruning.apply(dict(self.model.named_parameters()), self.kept)
        return replace(step, gradient_norm=float(norm))

    def _prune(self, iteration: int, now: ScheduleValues) -> None:
        """Remove the weights that are to go before `iteration`; all processes remove the same."""
        settings = self.config.train
        if not pruning.due(settings, iteration):
            return
        generator = keyed_generator(self.device, settings.seed, Stream.PRUNING, iteration)
        images = self.x[:: max(1, len(self.x) // pruning.IMAGES)][: pruning.IMAGES]
        view = self.model.view()
        model = self._latents(view, now)
        draw = model.draws(generator)
        counts = pruning.sent_counts(model, view.dictionary, images, now.steps, draw)
        pixels = pruning.sent_size(self.x[: pruning.PIXELS])
        parameters = dict(self.model.named_parameters())
        self.kept = pruning.masks(parameters, pixels, counts, settings, iteration)
        pruning.apply(parameters, self.kept)

    def _summed(self, unrolled: Unrolled, share: float) -> Step:
        """Sum gradients and log values over the processes."""
        u = unrolled
        means = torch.stack([u.loss.detach(), u.nll, u.kl, u.messages, u.spikes, u.rate]) * share
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        *totals, summed = self.processes.total([*gradients, means])
        for gradient, total in zip(gradients, totals, strict=True):
            gradient.copy_(total)
        loss, nll, kl, messages, spikes, rate = summed.tolist()
        most = float(unrolled.max_rate)
        return Step(loss, nll, kl, rate, most, 0.0, messages, spikes)

    def _latents(self, parameters: LatentParameters, now: ScheduleValues) -> LatentModel[Any]:
        """Return the model at the present soft clip, at which its weights were learnt."""
        settings = LatentSettings.of(self.config.model, now.clip, self.config.train)
        return latent_model(self.config.model.kind, parameters, settings)

    def _unroll(self, x: Tensor, iteration: int, now: ScheduleValues, first_row: int) -> Unrolled:
        parameters = self.model.view()
        keys = noise_keys(self.config.train, iteration, self.config.model.updates_per_step)
        unroll = unrolling(self.config, now, keys, first_row)
        compiled = self.device.type == "cpu" and self.config.model.kind == COMPILED
        if compiled and parameters.dictionary.in_gram_form:
            unrolled = unrolled_loss(parameters, x, now.beta, unroll, self.rounding)
            if unrolled.arrivals > MAX_MEAN_ARRIVALS:
                raise run_away(unrolled.max_rate.item(), unrolled.rate.item())
            return unrolled
        generator = keyed_generator(
            self.device, self.config.train.seed, Stream.NOISE, iteration, first_row
        )
        model = self._latents(parameters, now)
        draw = relaxed_draws(self.config, model, generator, now.temperature)
        dictionary, rounding = self._dictionary(parameters)
        return unrolled_by_autodiff(
            model, dictionary, x, lambda u, _update: draw(u), now.beta, unroll, rounding
        )

    def _dictionary(
        self, parameters: ModelParameters
    ) -> tuple[Dictionary, RoundedDictionary | None]:
        """Return the dictionary, and its rounding for inference, if any."""
        dictionary = parameters.dictionary
        if self.rounding is None:
            return dictionary, None
        # The settings allow rounding of a dense dictionary only.
        return dictionary, RoundedDictionary(self.rounding, cast(DenseDictionary, dictionary))

    def _validate(self, iteration: int, now: ScheduleValues) -> Validation:
        settings = self.config.train
        generator = keyed_generator(self.device, settings.seed, Stream.VALIDATION, iteration)
        parameters = self.model.view()
        dictionary, rounding = self._dictionary(parameters)
        result = validate(
            self._latents(parameters, now),
            dictionary,
            self.x_validation,
            steps=settings.steps,
            generator=generator,
            rounding=rounding,
        )
        health.check_validation(result, iteration, settings)
        return result

    def _checkpoint(self, iteration: int, now: ScheduleValues) -> None:
        names = dict(self.model.named_parameters())
        state = self.optimiser.state
        moments = {
            f"{name}.{key}": value
            for name, parameter in names.items()
            for key, value in state[parameter].items()
        }
        # The state comes first: after a kill between the two, resuming writes the model again.
        save_state(
            self.folder.state,
            TrainingState(iteration, names, moments, self.config, self.data),
        )
        save_model(self.folder.model, self.model, self.config, self.origin, now.clip)

    def _restore(self, state: TrainingState) -> None:
        require_fit(state, dict(self.model.named_parameters()), self.folder.state)
        self.kept = pruning.present(state.parameters, self.config.train)
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(state.parameters[name])
                moments = {
                    key.rpartition(".")[2]: value.clone()
                    for key, value in state.moments.items()
                    if key.rpartition(".")[0] == name
                }
                # The step count stays on the CPU, where the optimiser creates it.
                self.optimiser.state[parameter] = {
                    key: value if key == "step" else value.to(self.device)
                    for key, value in moments.items()
                }


def _groups(model: Trainable) -> list[dict[str, Any]]:
    """Return the optimiser's groups: parameters with their learning rates relative to the run's."""
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        groups.setdefault(model.rates.get(name, 1.0), []).append(parameter)
    return [{"params": members, RELATIVE: rate} for rate, members in groups.items()]


def _record(iteration: int, now: ScheduleValues, step: Step) -> Record:
    return {"iteration": iteration, "kind": "train", **asdict(step), **asdict(now)}
