"""Request of a run and its trace: spike counts, states and reconstructions."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import AnyArray, Float32, Float64, Int32, Int64, Integers, UInt8
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import shape_text
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.prng import MAX_SEED, MAX_STEPS
from ipvae_snn.ir.stop import Stop, fraction_bits
from ipvae_snn.storage import memory
from ipvae_snn.storage.array_files import save_arrays

# What can saturate in a step, and in which layer: spike counts at max_count, what a neuron receives
# apart from its own self-inhibition, the update's lower clamp, the membrane potential's upper one,
# and the residual neurons of a two-layer circuit.
SATURATIONS: Final = ("count", "excitation", "inhibition", "potential", "residual")


@dataclass(frozen=True)
class RunRequest:
    """Settings of a run: `steps` T >= 1, `seed` and `first_image` in [0, 2**32), trace.

    Of moving images, (N, F, M), every frame is shown for `steps` steps; T is then F * steps.

    trace: keep counts and states of every step. Image n of a run draws its uniforms under the index
    first_image + n. A part of a data set therefore gives the same counts as the whole.

    stop: ends a still image before `steps` steps when it is done; None: all take `steps` steps.
    """

    steps: int
    seed: int = 0
    first_image: int = 0
    trace: bool = False
    stop: Stop | None = None


class StepValues(NamedTuple):
    """What a step leaves of N images: counts, states (N, K), scores (N, S), saturated (N, 5).

    The neurons of all populations that compute stand side by side, and so do those that accumulate;
    scores is None where none does.
    """

    counts: Integers
    states: Integers
    scores: Integers | None
    saturated: Integers


@dataclass(frozen=True, repr=False)
class Trace:
    """Result of N images over T steps with K computing neurons and M pixels.

    counts_sum: spike counts summed over the steps.
    state: membrane potential after the last step's update; int32 in units of
        2**-fraction_bits octaves for integer back ends, floats in nats for float ones.
    spikes_per_step: spikes of all neurons in each step.
    reconstruction: the decoder applied to the last step's spike counts, or to what its decoding
        reads; of moving images, at the end of every frame, (N, F, M).
    saturated: neurons that saturated in each step, by SATURATIONS; None where a
        back end does not count them, as the float one.
    counts and states: with `--trace` only; states[:, t] is the
        membrane potential after the update of step t, counts[:, t] was drawn before it.
    scores: states of accumulators after every step; None where the network has none.
    steps_taken: steps of each image, of a run with a stop; None of others. After its last step an
        image sends nothing, saturates nowhere, and keeps its potentials and scores.
    """

    counts_sum: Annotated[Int64, "N K"]
    state: Annotated[Int32 | Float64 | Float32, "N K"]
    spikes_per_step: Annotated[Int64, "N T"]
    reconstruction: Annotated[Float32, "N *M"]
    counts: Annotated[Int32, "N T K"] | None = None
    states: Annotated[Int32 | Float64 | Float32, "N T K"] | None = None
    saturated: Annotated[Int32, "N T 5"] | None = None
    scores: Annotated[Int32, "N T S"] | None = None
    steps_taken: Annotated[Int64, "N"] | None = None

    @classmethod
    def empty(cls, network: IntegerNetwork, shape: tuple[int, ...], request: RunRequest) -> "Trace":
        """Return a trace of zeros for pixels of `shape`, to be filled by `keep` and the others."""
        n, frames = shape[0], shape[1:-1]
        t, k, scores = math.prod(frames) * request.steps, network.n_neurons, network.n_scores
        every = (n, t, k) if request.trace else None
        return cls(
            counts_sum=np.zeros((n, k), np.int64),
            state=np.zeros((n, k), np.int32),
            spikes_per_step=np.zeros((n, t), np.int64),
            reconstruction=np.zeros((n, *frames, network.n_pixels), np.float32),
            counts=None if every is None else np.zeros(every, np.int32),
            states=None if every is None else np.zeros(every, np.int32),
            saturated=np.zeros((n, t, len(SATURATIONS)), np.int32),
            scores=np.zeros((n, t, scores), np.int32) if scores else None,
            steps_taken=None if request.stop is None else np.zeros(n, np.int64),
        )

    def keep(
        self,
        rows: slice | Int64,
        step: int,
        counts: Annotated[Integers, "N K"],
        state: Annotated[Integers, "N K"],
    ) -> None:
        """Fill in the counts of a step of some images, and their states after it."""
        self.counts_sum[rows] += counts
        self.spikes_per_step[rows, step] = counts.sum(axis=1)
        self.state[rows] = state
        if self.counts is not None and self.states is not None:
            self.counts[rows, step], self.states[rows, step] = counts, state

    def keep_scores(
        self, rows: slice | Int64, step: int, scores: Annotated[Integers, "N S"]
    ) -> None:
        """Fill in the scores of some images after a step."""
        if self.scores is not None:
            self.scores[rows, step] = scores

    def keep_step(self, rows: slice | Int64, step: int, values: StepValues) -> None:
        """Fill in everything of a step of some images."""
        self.keep(rows, step, values.counts, values.states)
        if values.scores is not None:
            self.keep_scores(rows, step, values.scores)
        assert self.saturated is not None  # Trace.empty makes it
        self.saturated[rows, step] = values.saturated

    def hold(self) -> None:
        """Fill in the steps after each image's last one, in which it keeps states and scores."""
        kept = [array for array in (self.states, self.scores) if array is not None]
        if self.steps_taken is None or not kept:
            return
        for image, taken in enumerate(self.steps_taken.tolist()):
            for array in kept:
                array[image, taken:] = array[image, taken - 1]

    def keep_image(self, rows: slice, frame: int, image: Annotated[Float32, "N M"]) -> None:
        """Fill in the reconstruction of a frame of some images; frame 0 of still ones."""
        moving = self.reconstruction.ndim == 3
        target = self.reconstruction[:, frame] if moving else self.reconstruction
        target[rows] = image

    def __repr__(self) -> str:
        """Return sizes and activity without the arrays."""
        (images, steps), neurons = self.spikes_per_step.shape, self.state.shape[1]
        kept = "every step kept" if self.counts is not None else "last step kept"
        return (
            f"Trace({images} images, {steps} steps, {neurons} neurons, "
            f"{int(self.spikes_per_step.sum()):,} spikes, {kept})"
        )

    def arrays(self) -> dict[str, AnyArray]:
        """Return the arrays that are present, by field name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def save(self, path: Path) -> None:
        """Write the arrays to `path` as a compressed npz, whole or not at all."""
        save_arrays(path, self.arrays())


def require_memory(
    images: int,
    sizes: tuple[int, int],
    request: RunRequest,
    *,
    traces: int = 1,
    state: int = 4,
    extra: int = 0,
    remedy: str = "",
) -> None:
    """Raise MemoryLimitError if the results of a run would not fit into memory.

    images: N. sizes: neurons K and pixels M. traces: runs that are kept at once. state: bytes of a
    membrane potential, 4 in integer runs, 8 in float ones. extra: further bytes per image, of what
    the caller computes from the results. remedy: what else helps, for the message.
    """
    (k, m), t = sizes, request.steps
    every_step = t * k * (4 + state) if request.trace else 0
    per_image = k * (8 + state) + t * (8 + 4 * len(SATURATIONS)) + 4 * m + every_step
    kept = " (counts and states of every step)" if request.trace else ""
    without = ", or in `run` leave out --trace" if request.trace else ""
    times = f", kept {traces} times" if traces > 1 else ""
    memory.require(
        images * (traces * per_image + extra),
        f"a run of {images} images, {t} steps and {k} neurons{kept}{times}",
        f"give fewer images (--limit) or steps (--steps){without}{remedy}",
    )


def check_request(network: IntegerNetwork, pixels: AnyArray, request: RunRequest) -> None:
    """Raise DataError if `pixels` or `request` do not fit the network; every back end calls it.

    Raises MemoryLimitError if the results would not fit into memory.
    """
    fits = pixels.ndim in (2, 3) and pixels.shape[-1] == network.n_pixels and pixels.size > 0
    if pixels.dtype != np.uint8 or not (fits or pixels.shape == (0, network.n_pixels)):
        raise DataError(
            f"the network takes uint8 images of {shape_text(network.input.image_shape)} as "
            f"(N, {network.n_pixels}), or (N, frames, {network.n_pixels}), "
            f"not {pixels.dtype}{pixels.shape}"
        )
    if not 1 <= request.steps <= MAX_STEPS:
        raise DataError(f"steps {request.steps} are not in 1..{MAX_STEPS}")
    frames = pixels.shape[1] if pixels.ndim == 3 else 1
    if frames * request.steps > MAX_STEPS:
        raise DataError(
            f"{frames} frames of {request.steps} steps are {frames * request.steps} steps, but at "
            f"most {MAX_STEPS} are possible; give fewer frames or steps"
        )
    if not 0 <= request.seed <= MAX_SEED:
        raise DataError(f"seed {request.seed} is not in 0..{MAX_SEED}")
    if len(pixels) < 1:
        raise DataError("there are no images to run; give one or more")
    if not 0 <= request.first_image <= MAX_SEED + 1 - len(pixels):
        raise DataError(
            f"images {request.first_image}..{request.first_image + len(pixels) - 1} are not all in "
            f"0..{MAX_SEED}; their draws are keyed by 32 bits"
        )
    if request.stop is not None:
        fraction_bits(network)  # raises where the network cannot stop
        if pixels.ndim == 3:
            raise DataError(
                "a stop is for still images: frames follow each other at fixed steps; run moving "
                "images without one (--stop)"
            )
    whole = request if frames == 1 else replace(request, steps=frames * request.steps)
    require_memory(len(pixels), (network.n_neurons, frames * network.n_pixels), whole)


def frames_of(pixels: UInt8) -> Annotated[UInt8, "N F M"]:
    """Return still images (N, M) as sequences of one frame; moving ones as they are."""
    return pixels[:, None] if pixels.ndim == 2 else pixels


def counts_of(trace: Trace) -> Annotated[Int32, "N T K"]:
    """Return the counts of a run; raise ValueError if it kept no trace."""
    if trace.counts is None:
        raise ValueError("measuring needs runs with trace=True")
    return trace.counts


def states_of(trace: Trace) -> Annotated[Int32, "N T K"]:
    """Return the states of an integer run; raise ValueError if it kept no trace."""
    if trace.states is None:
        raise ValueError("measuring needs runs with trace=True")
    return trace.states.astype(np.int32, copy=False)
