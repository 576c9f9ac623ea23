"""Trainer: optimisation step, validation, checkpoint, resume."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor

from ipvae_snn.config.settings import Config
from ipvae_snn.data.base import ImageSet
from ipvae_snn.models.checkpoint import Origin, save_model
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.models.noise import fix_noise
from ipvae_snn.models.parameters import TrainableModule
from ipvae_snn.models.prior import fix_prior
from ipvae_snn.models.registry import new_module
from ipvae_snn.progress import ignore_part
from ipvae_snn.training import health, pruning, steadying
from ipvae_snn.training.composites import Composites
from ipvae_snn.training.distributed import Processes
from ipvae_snn.training.frames import in_frames
from ipvae_snn.training.health import Step
from ipvae_snn.training.loss import Batch, TrainingLoss
from ipvae_snn.training.objective import Unrolled
from ipvae_snn.training.random_streams import Stream, batch_indices, keyed_generator
from ipvae_snn.training.run_folder import Record, RunFolder
from ipvae_snn.training.schedules import ScheduleValues, schedule_values
from ipvae_snn.training.state import TrainingState, require_fit, save_state
from ipvae_snn.training.straight_through import FakeRounding
from ipvae_snn.training.validation import Validation, validate
from ipvae_snn.watcher import current_watcher


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
        self.origin = Origin.of(images)
        self.x = torch.from_numpy(in_frames(images, config.data)).to(device)
        self.x_validation = torch.from_numpy(in_frames(validation, config.data)).to(device)
        train = config.train
        self.composites = Composites(
            self.x, images.image_shape, images.kind, train.composites, train.seed
        )
        bits = config.train.quantise_aware
        rounding = FakeRounding.of(self.x, bits) if bits else None
        seed = config.train.seed
        initial = keyed_generator(torch.device("cpu"), seed, Stream.INITIAL, 0)
        self.model = new_module(config.model, images.image_shape, initial).to(device)
        if not config.model.fit_prior:
            fix_prior(self.model, config.model.kind)
        fix_noise(self.model, config.model)
        self.kept: dict[str, Tensor] = {}
        self.optimiser = torch.optim.Adamax(
            _groups(self.model),
            lr=config.train.learning_rate,
            weight_decay=config.train.weight_decay,
        )
        self.skipped = health.Skipped()
        self.notice = current_watcher().notice if processes.leads else ignore_part
        self.loss = TrainingLoss(config, device, self.model, rounding, self.notice)

    def start_from(self, parameters: Mapping[str, Tensor]) -> None:
        """Replace initial parameters by the named ones."""
        named = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, values in parameters.items():
                named[name].copy_(values.reshape(named[name].shape))
        fix_noise(self.model, self.config.model)

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
        x = self.composites.mixed(x, rows, len(batch), iteration)
        for group in self.optimiser.param_groups:
            group["lr"] = now.learning_rate * group[RELATIVE]
        # Every process has the mean over its own rows; this is its share of the whole mean.
        share = len(x) / len(batch)
        self.optimiser.zero_grad(set_to_none=True)
        unrolled = self.loss.differentiated(Batch(x, rows.start, share), iteration, now)
        step = self._summed(unrolled, share)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), now.grad_clip)
        step = replace(step, gradient_norm=float(norm))
        skipped = health.skips(step, now.grad_clip, settings)
        if not skipped:
            self.optimiser.step()
            self.model.constrain()
            pruning.apply(dict(self.model.named_parameters()), self.kept)
        if steadying.due(settings, iteration + 1):
            steadying.steady(self.model.get_parameter(pruning.LATERAL))
        limit = settings.grad_skip * now.grad_clip
        warning = self.skipped.warning(skipped, step, iteration, limit)
        if warning is not None:
            self.notice(warning)
        return step

    def _prune(self, iteration: int, now: ScheduleValues) -> None:
        """Remove the weights that are to go before `iteration`; all processes remove the same."""
        settings = self.config.train
        if not pruning.due(settings, iteration):
            return
        generator = keyed_generator(self.device, settings.seed, Stream.PRUNING, iteration)
        images = self._examples(pruning.IMAGES, iteration)
        view = self.model.view()
        model = self.loss.latents(view, now.clip)
        draw = model.draws(generator)
        counts = pruning.sent_counts(model, view.dictionary, images, now.steps, draw)
        pixels = pruning.sent_size(self._examples(pruning.PIXELS, iteration))
        parameters = dict(self.model.named_parameters())
        shape = self.origin.image_shape
        self.kept = pruning.masks(parameters, pixels, counts, settings, iteration, shape)
        pruning.apply(parameters, self.kept)

    def _examples(self, n: int, iteration: int) -> Tensor:
        """Return up to n images as they are trained on, from all parts of the data."""
        images = self.x[:: max(1, len(self.x) // n)][:n]
        return self.composites.mixed(images, slice(0, len(images)), len(images), iteration)

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

    def _validate(self, iteration: int, now: ScheduleValues) -> Validation:
        settings = self.config.train
        generator = keyed_generator(self.device, settings.seed, Stream.VALIDATION, iteration)
        parameters = self.model.view()
        dictionary, rounding = self.loss.dictionary(parameters)
        result = validate(
            self.loss.latents(parameters, now.clip),
            dictionary,
            self.x_validation,
            steps=settings.all_steps,
            generator=generator,
            rounding=rounding,
        )
        if MEMBERS[self.config.model.kind].network:
            result = replace(result, operations=None)
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
        self.kept = pruning.present(state.parameters, self.config.train, state.iteration)
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


def _groups(model: TrainableModule) -> list[dict[str, Any]]:
    """Return the optimiser's groups: parameters with their learning rates relative to the run's."""
    groups: dict[float, list[Tensor]] = {}
    learnt = ((name, one) for name, one in model.named_parameters() if one.requires_grad)
    for name, parameter in learnt:
        groups.setdefault(model.rates.get(name, 1.0), []).append(parameter)
    return [{"params": members, RELATIVE: rate} for rate, members in groups.items()]


def _record(iteration: int, now: ScheduleValues, step: Step) -> Record:
    return {"iteration": iteration, "kind": "train", **asdict(step), **asdict(now)}
