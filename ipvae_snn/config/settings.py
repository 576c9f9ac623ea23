"""Settings of a training run: frozen dataclasses, TOML in and out, overrides and presets."""

from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeGuard, get_args

from ipvae_snn.config.preparation import MAX_PATCH, MAX_WHITE, Preparation, Whitening

KlForm = Literal["code", "exact"]
RelaxationKind = Literal["sigmoid", "cubic"]
Sampling = Literal["auto", "torch", "triton"]
CudaGraphs = Literal["auto", "on", "off"]
Motion = Literal["video", "drift"]
DictionaryStart = Literal["noise", "sparse-coding"]
NonlinearKind = Literal["mlp", "deconvolutional"]
DictionaryKind = Literal["dense", "convolutional", "untied", "mlp", "deconvolutional"]
StartKind = Literal["none", "linear"]
EncoderKind = Literal["linear", "mlp", "convolutional"]
Value = bool | int | float | str
# Torch seeds and the keyed generator both take 32 bits.
MAX_SEED: Final = (1 << 32) - 1
MAX_UPDATES_PER_STEP: Final = 64
MAX_SAMPLES: Final = 2


def is_nonlinear(kind: str) -> TypeGuard[NonlinearKind]:
    """Return whether a value of `model.dictionary` names a nonlinear decoder."""
    return kind in get_args(NonlinearKind)


@dataclass(frozen=True)
class Limits:
    """Interval of a setting: [low, high], or (low, high] if above."""

    low: float
    high: float
    above: bool

    def hold(self, value: float) -> bool:
        """Return whether `value` lies within; NaN does not."""
        return self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        """Return the interval as it is written."""
        return f"{'(' if self.above else '['}{self.low:g}, {self.high:g}]"


def limits_of(settings: type[Any], name: str) -> Limits:
    """Return the limits of the setting `name` of a class of settings."""
    (described,) = (one for one in fields(settings) if one.name == name)
    return Limits(**described.metadata)


def _limited(default: Value, low: float, high: float, *, above: bool = False) -> Any:
    """Return a dataclass field whose value must lie in [low, high] (in (low, high] if above)."""
    return field(default=default, metadata={"low": low, "high": high, "above": above})


@dataclass(frozen=True)
class ModelConfig:
    """Size, dynamics and initial values of the network.

    n_latents: neurons K. clip, floor: soft upper and hard lower bound of u and du, in nats.
    noise: standard deviation of the pixel noise that stays as it is; 0 learns one per pixel.
    log_sigma_limit: bound c of the pixel noise, log sigma = c tanh(raw / c); 0 for no bound.
    phi_std: standard deviation of the initial dictionary's entries. phi_start: where it comes from,
    Gaussian noise as in the paper, or a dictionary that codes the training images sparsely
    (`training.dictionary_start`). u0_low, u0_high: initial log rates
    are uniform between them. log_bias, log_lr: initial values. updates_per_step: updates of the
    potential in one inference step (n_iters_inner of the paper's code). leak: how strongly an
    update pulls the potential u back to u_prior, where its step started: u changes by exp(log_lr)
    (drive - exp(log_bias) - leak (u - u_prior)). It is beta_inner of the paper's code, which sets
    it to 1; with one update per step it has no effect. kind: the model's name in
    `models.registry`. dictionary: "dense", or "convolutional": `features` kernels of
    `kernel` x `kernel` pixels at every `stride`-th pixel where they lie inside the image. n_latents
    then follows from the images: 0 leaves it to them, and another number must be theirs. "untied":
    a dense one, whose inference has weights of its own, which can be sparse (`models.untied`).
    "mlp", "deconvolutional": no dictionary but a nonlinear decoder, which has no integer form: one
    hidden layer of `decoder_width` units, or a grid of so many channels that two transposed
    convolutions double (`models.nonlinear`).
    start: first potentials of an image, "none" for u0 of every image, or "linear" for u0 + S x with
    learnt weights S of an untied dictionary, which start at 0. encoder, encoder_width: network of
    amortised models, and its hidden units, or channels of its last convolution (`models.encoders`).
    threshold: of the potentials of LCA, lambda. fit_prior: learn the prior, log rates u0, or means
    and deviations of Gaussian latents before the first update; False keeps their initial values (as
    fit_prior of the paper's code).
    """

    n_latents: int = _limited(512, 0, 1 << 20)
    clip: float = _limited(10.0, 0.0, 10.0, above=True)
    floor: float = _limited(-8.0, -16.0, -1.0)
    log_sigma_limit: float = _limited(3.45, 0.0, 10.0)
    phi_std: float = _limited(1e-4, 0.0, 1.0, above=True)
    phi_start: DictionaryStart = "noise"
    u0_low: float = _limited(-6.0, -8.0, 4.0)
    u0_high: float = _limited(-4.0, -8.0, 4.0)
    log_bias: float = _limited(-3.0, -20.0, 5.0)
    log_lr: float = _limited(0.0, -10.0, 3.0)
    updates_per_step: int = _limited(1, 1, MAX_UPDATES_PER_STEP)
    leak: float = _limited(0.0, 0.0, 1000.0)
    kind: str = "poisson"
    dictionary: DictionaryKind = "dense"
    features: int = _limited(64, 1, 65536)
    kernel: int = _limited(8, 1, 1024)
    stride: int = _limited(4, 1, 1024)
    start: StartKind = "none"
    encoder: EncoderKind = "linear"
    encoder_width: int = _limited(256, 1, 65536)
    decoder_width: int = _limited(256, 1, 65536)
    fit_prior: bool = True
    noise: float = _limited(0.0, 0.0, 1e6)
    threshold: float = _limited(0.5, 0.0, 100.0)


@dataclass(frozen=True)
class TrainConfig:
    """Schedule and loss of a training run; every schedule is counted in iterations.

    steps: unrolled inference steps T. Where steps_start is not 0, T doubles from there to `steps`
    in stages of equal length, and is full from steps_fraction on. segments: how often the T steps
    are repeated in an iteration, from the state that the last ones left, without a gradient from
    one to the next: truncated back-propagation (`training.segments`; n_iters_outer of the paper's
    code).
    beta: weight of the KL term. kl: its form, "code" as in the paper's public code or "exact".
    The learning rate rises linearly over the first warm_up_fraction of the iterations (but at
    least 50, where there are four times as many) and falls as a cosine after it. beta rises from
    beta_start, and the soft clip from clip_start, over beta_ramp_fraction; beta is scaled by
    T / steps while T is not full. message_price, spike_price: what the loss charges, in nats, for
    each neuron that sends and for each of its spikes, per step; they rise as beta does.
    late_power: p, where the fit of step t of T weighs as (t + 1)^p does; 0 for equal weights.
    lateral_sparsity, feedforward_sparsity, start_sparsity: of an untied dictionary, the share of
    inference's weights that are removed while it trains, all of them by sparsity_fraction of the
    iterations (`training.pruning`). sparsity_block: they go for so many consecutive neurons at
    once, which are first ordered (`training.blocks`). receptive_field: pixels at a side of the
    square from which each neuron of an untied dictionary keeps its feed-forward weights, 0 for all
    (`training.receptive_fields`). steady_interval: iterations after which the
    lateral weights of an untied dictionary are projected onto ones by which activity cannot sustain
    itself, as a conversion needs them; 0 for never (`training.steadying`).
    composites: share of every batch that is made of training images instead, so that inference
    learns unlike images as well (`training.composites`).
    relaxation: of the spike counts, "sigmoid" as in the paper or
    "cubic", whose mean is the rate at every temperature up to 1 (`models.relaxations`). samples:
    spike counts drawn per step; the second one enters the loss alone, the first one also the
    inference. The temperature falls over temperature_fraction. grad_clip is
    multiplied by grad_clip_warm_up_factor during warm-up. An iteration whose gradient is more than
    grad_skip times the limit changes nothing: inference of some image ran away, and such a
    gradient gives no direction. sampling: code of the relaxed counts where torch differentiates the
    loss; auto takes Triton's kernel on CUDA devices, where triton is installed. cuda_graphs: on a
    CUDA device, capture loss and gradient of an iteration once, and replay them; auto does so where
    Triton's kernel samples. threads: of the CPU; on small layers one thread is nearly as fast as
    more, and does not stall on a busy machine.
    quantise_aware: if not 0, inference sees weights of so many bits, and gradients pass straight
    through (`training.straight_through`). stop_at: if not 0, the run ends after so many iterations;
    its schedules still span all of them, and a resumed run may have a later stop. Intervals are in
    iterations; 0 switches validation off except at the last iteration.
    """

    steps: int = _limited(16, 1, 1024)
    steps_start: int = _limited(0, 0, 1024)
    steps_fraction: float = _limited(0.75, 0.0, 1.0)
    segments: int = _limited(1, 1, 1024)
    batch_size: int = _limited(200, 1, 65536)
    iterations: int = _limited(5000, 1, 100_000_000)
    stop_at: int = _limited(0, 0, 100_000_000)
    learning_rate: float = _limited(0.005, 0.0, 1.0, above=True)
    warm_up_fraction: float = _limited(0.05, 0.0, 1.0)
    weight_decay: float = _limited(3e-4, 0.0, 1.0)
    grad_clip: float = _limited(300.0, 0.0, 1e9, above=True)
    grad_clip_warm_up_factor: float = _limited(3.0, 1.0, 100.0)
    grad_skip: float = _limited(30.0, 1.0, 1e9)
    kl: KlForm = "code"
    beta: float = _limited(16.0, 0.0, 10_000.0)
    beta_start: float = _limited(1e-4, 0.0, 10_000.0)
    beta_ramp_fraction: float = _limited(0.3, 0.0, 1.0)
    message_price: float = _limited(0.0, 0.0, 1000.0)
    spike_price: float = _limited(0.0, 0.0, 1000.0)
    late_power: float = _limited(0.0, 0.0, 16.0)
    lateral_sparsity: float = _limited(0.0, 0.0, 0.999)
    feedforward_sparsity: float = _limited(0.0, 0.0, 0.999)
    start_sparsity: float = _limited(0.0, 0.0, 0.999)
    sparsity_fraction: float = _limited(0.5, 0.0, 1.0)
    sparsity_block: int = _limited(1, 1, 1024)
    receptive_field: int = _limited(0, 0, 1024)
    steady_interval: int = _limited(0, 0, 100_000_000)
    composites: float = _limited(0.0, 0.0, 1.0)
    clip_start: float = _limited(2.0, 0.0, 10.0, above=True)
    relaxation: RelaxationKind = "sigmoid"
    samples: int = _limited(1, 1, MAX_SAMPLES)
    temperature_start: float = _limited(1.0, 0.0, 10.0, above=True)
    temperature_end: float = _limited(0.01, 0.0, 10.0, above=True)
    temperature_fraction: float = _limited(0.5, 0.0, 1.0)
    quantise_aware: int = _limited(0, 0, 8)
    seed: int = _limited(0, 0, MAX_SEED)
    device: str = "cpu"
    sampling: Sampling = "auto"
    cuda_graphs: CudaGraphs = "auto"
    threads: int = _limited(1, 1, 1024)
    log_interval: int = _limited(25, 1, 100_000_000)
    checkpoint_interval: int = _limited(250, 1, 100_000_000)
    validation_interval: int = _limited(500, 0, 100_000_000)

    @property
    def all_steps(self) -> int:
        """Steps of an iteration, in all segments."""
        return self.steps * self.segments

    @property
    def end(self) -> int:
        """Number of iterations of the run."""
        return min(self.stop_at or self.iterations, self.iterations)


@dataclass(frozen=True)
class DataConfig:
    """Images of a run: a data set's name or a path; limits in images, 0 for all of them.

    frames: frames F of a moving input, 1 for still images. motion: source of the frames, F
    consecutive images ("video") or one image that drifts ("drift"). Of the user's own images:
    patches: pixels at a side of patches cut from photographs, 0 for whole images (of the named
    sets of patches: their size). whiten: how photographs become whitened patches, of the named sets
    too: a name of `data.whitening_methods`. white: the stored
    value that is white, 0 for that of the number type (uint8: 255). colour: keep the colours of
    images that have them, instead of their grey luminance.
    """

    name: str = "natural"
    frames: int = _limited(1, 1, 1024)
    motion: Motion = "video"
    limit: int = _limited(0, 0, 1 << 32)
    validation_limit: int = _limited(1000, 0, 1 << 32)
    patches: int = _limited(0, 0, MAX_PATCH)
    whiten: Whitening = "olshausen"
    white: float = _limited(0.0, 0.0, MAX_WHITE)
    colour: bool = False

    @property
    def preparation(self) -> Preparation:
        """The treatment of the user's own images."""
        return Preparation(self.patches, self.whiten, self.white)


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    data: DataConfig = DataConfig()
