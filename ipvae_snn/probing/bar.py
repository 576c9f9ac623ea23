"""A bar of light that moves over a neuron's feature, after Hubel and Wiesel."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Float32, Float64
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.metrics.estimates import Estimate, estimate
from ipvae_snn.probing.features import Features
from ipvae_snn.probing.movies import Movies, record
from ipvae_snn.probing.recorder import Latents
from ipvae_snn.probing.stimuli import bars
from ipvae_snn.probing.subject import Subject
from ipvae_snn.progress import Progress, ignore

# Of motion, in degrees from the direction in which the preferred grating's wave runs. At 0 and 180
# the bar has the preferred orientation, at 90 and 270 it stands across it.
TURNS: Final = np.arange(0.0, 360.0, 45.0)
STEPS_PER_FRAME: Final = 16
TRIALS: Final = 8
LEAST: Final = 0.05  # response per step above the blank, mean over a sweep; less is no response
LEAST_WIDTH: Final = 1.0  # pixels of a bar
# Light of the bar in standardised pixels, which is 2.8 deviations of the training patches; pixels
# in [0, 1] have white, a light of 1.
STANDARDISED: Final = 2.0


@dataclass(frozen=True)
class MovingBar:
    """Responses of n neurons to a bright bar that sweeps over them in D directions.

    offsets (F,): of the bar's middle from the feature's centre, in pixels in the direction of
    motion, for `steps` steps each. unit: of responses. course (n, D, trials, T): in every step.
    responses (n, D, F): means over trials and a frame's steps. blank (n,). width (n,): of the bar
    in pixels, half a cycle of the preferred grating.

    direction_index (n,): (a - b) / (a + b), with a the larger and b the smaller response above the
    blank at 0 and 180 degrees. orientation_index (n,): the same of the mean response at 0 and 180
    against that at 90 and 270. delay (n,): steps by which the response follows the bar: half the
    distance of the two centres of mass, 0 and 180, over the bar's speed. NaN for neurons whose
    response is below LEAST.
    """

    features: Features
    unit: str
    offsets: Float64
    steps: int
    course: Annotated[Latents, "n D trials T"]
    responses: Annotated[Float64, "n D F"]
    blank: Annotated[Float64, "n"]
    width: Annotated[Float64, "n"]
    direction_index: Annotated[Float64, "n"]
    orientation_index: Annotated[Float64, "n"]
    delay: Annotated[Float64, "n"]

    @property
    def figures(self) -> dict[str, Estimate]:
        """Means over neurons, by what they are."""
        return {
            "orientation index": estimate(self.orientation_index),
            "direction index": estimate(self.direction_index),
            "delay behind the bar, steps": estimate(self.delay),
            f"largest response, {self.unit}": estimate(self.responses.max(axis=(1, 2))),
        }


def measure(subject: Subject, progress: Progress = ignore) -> MovingBar:
    """Sweep a bar over each chosen neuron in every direction; potentials carry over."""
    n, d = len(subject), len(TURNS)
    gabors = subject.features.gabors
    width = np.maximum(0.5 / gabors.frequency, LEAST_WIDTH)
    offsets = sweep(subject.shape)
    light = bars(
        subject.shape,
        (gabors.orientation[:, None] - 90.0 + TURNS).ravel(),
        np.repeat(gabors.x, d),
        np.repeat(gabors.y, d),
        np.repeat(width, d),
        offsets,
    )
    light *= brightest(subject.recorder.input_kind)
    movies = Movies(light, STEPS_PER_FRAME, TRIALS)
    kept = subject.repeated(d)[:, None]
    shown = record(subject.recorder, movies, kept, subject.seed, "moving bars", progress)
    course = shown.values[..., 0].reshape(n, d, TRIALS, -1)
    parts = course.reshape(n, d, TRIALS, len(offsets), -1)
    responses = parts.mean(axis=(2, 4), dtype=np.float64)
    blank = shown.blank.reshape(n, -1).mean(axis=1)
    totals = responses.mean(axis=2) - blank[:, None]
    return MovingBar(
        subject.features,
        subject.unit,
        offsets,
        STEPS_PER_FRAME,
        course,
        responses,
        blank,
        width,
        direction_index=contrast_of(totals[:, 0], totals[:, 4], ordered=True),
        orientation_index=contrast_of(
            totals[:, [0, 4]].mean(axis=1), totals[:, [2, 6]].mean(axis=1)
        ),
        delay=delays(offsets, responses[:, [0, 4]] - blank[:, None, None]),
    )


def brightest(kind: InputKind) -> float:
    """Return the light of a bar."""
    return 1.0 if kind == "unit" else STANDARDISED


def sweep(shape: ImageShape) -> Annotated[Float64, "F"]:
    """Return offsets a pixel apart, half the image's diagonal before and behind a centre."""
    reach = float(np.ceil(np.hypot(shape[0], shape[1]) / 2.0))
    return np.arange(-reach, reach + 0.5)


def contrast_of(first: Float64, second: Float64, ordered: bool = False) -> Float64:
    """Return (a - b) / (a + b) of responses (n,), those below 0 as 0; NaN below LEAST.

    ordered: a is the larger of the two.
    """
    a, b = np.maximum(first, 0.0), np.maximum(second, 0.0)
    if ordered:
        a, b = np.maximum(a, b), np.minimum(a, b)
    known = np.maximum(a, b) >= LEAST
    return np.where(known, (a - b) / np.where(known, a + b, 1.0), np.nan)


def delays(
    offsets: Annotated[Float64, "F"], pair: Annotated[Float64, "n 2 F"]
) -> Annotated[Float64, "n"]:
    """Return the steps by which responses to opposite motions follow the bar.

    In its own direction of motion, a response to the place x that comes s steps late has its centre
    at x + v s; the opposite one has it at -x + v s, with v the speed in pixels per step.
    """
    above = np.maximum(pair, 0.0)
    total = above.sum(axis=2)
    known = (above.mean(axis=2) >= LEAST).all(axis=1)
    centres = (above @ offsets) / np.where(total > 0.0, total, 1.0)
    speed = float(offsets[1] - offsets[0]) / STEPS_PER_FRAME
    return np.where(known, centres.mean(axis=1) / speed, np.nan)


def frame_light(
    figures: MovingBar, shape: ImageShape, neuron: int, turn: int
) -> Annotated[Float32, "F P"]:
    """Return the frames (F, P) of one neuron's bar in one direction, for a picture."""
    own = figures.features.gabors.at(neuron)
    direction = own.orientation - 90.0 + TURNS[turn]
    width = figures.width[neuron : neuron + 1]
    return np.asarray(bars(shape, direction, own.x, own.y, width, figures.offsets)[0])
