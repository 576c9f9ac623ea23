"""The figures by name: what each collects, draws and tabulates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from matplotlib.figure import Figure as Sheet

from benchmarks.paper.figures import (
    angles,
    convergence,
    landscape,
    latents,
    map_and_samples,
    mnist_table,
    neurons,
    operations,
    other_sets,
    photographs,
    rate_distortion,
    seeds,
    wall_clock,
)
from benchmarks.paper.figures.rows import Get, Json
from benchmarks.paper.plan import Preset
from ipvae_snn.choices import choose

Draw = Callable[[Sheet, list[Json], str], None]


@dataclass(frozen=True)
class Picture:
    """A picture of a figure: the end of its file's name, its size in inches, what draws it."""

    suffix: str
    size: tuple[float, float]
    draw: Draw


@dataclass(frozen=True)
class Figure:
    """A figure: its title, plain data from what was measured, pictures and table of that data.

    needs: what is measured of its networks. text: what the page says about it. least: networks
    without which it shows nothing.
    """

    title: str
    needs: tuple[str, ...]
    collect: Callable[[Preset, Get], list[Json]]
    pictures: tuple[Picture, ...]
    section: Callable[[list[Json]], str]
    text: str
    least: int = 1


def _of(module: Any, needs: Sequence[str], text: str, *more: Picture) -> Figure:
    first = Picture("", module.SIZE, module.draw)
    return Figure(module.TITLE, tuple(needs), module.collect, (first, *more), module.section, text)


_EVALUATION: Final = ("evaluation",)
_SIZES: Final = _of(
    latents, _EVALUATION, "The published files have K 512 only, which stands beside ours."
)
FIGURES: Final[Mapping[str, Figure]] = MappingProxyType(
    {
        "convergence": _of(
            convergence,
            _EVALUATION,
            """Inference starts from the learnt prior. Published steps are counted from 1, as ours
            are.""",
        ),
        "landscape": _of(
            landscape,
            _EVALUATION,
            """Perfect reconstruction by no spikes is the corner at the upper right. R2 is of one
            sample, zeros of the same sample. The encoder of the published amortised networks is
            convolutional and ends in 128 features ([how that is known](paper.md#amortised-vaes));
            ours has one hidden layer of 128 units.""",
            Picture("_distance", (6.4, 3.6), landscape.distances),
        ),
        "seeds": _of(
            seeds,
            _EVALUATION,
            """The network of the paper's figure 3 (T 16, beta 24), from several initial values and
            orders of the images. ± is half the 95 % interval over seeds (Student's t).""",
        ),
        "photographs": _of(
            photographs,
            ("photographs",),
            """250 patches of each of van Hateren's 20 photographs that are at hand, those of
            training too. ± is half the 95 % interval of the mean over photographs (Student's t):
            how far other photographs may move it. The published figures are of 101 photographs,
            which we do not have. Without zeros the distance says what R2 says.""",
        ),
        "map_and_samples": _of(
            map_and_samples,
            _EVALUATION,
            """The MAP read-out decodes the rates exp(u), or the mean of a Gaussian latent, in place
            of a sample. Its gain is what the noise of a code costs. For amortised models the
            published file has the same number twice, so that theirs is not known.""",
        ),
        "rate_distortion": _of(
            rate_distortion,
            ("evaluation", "code"),
            """Rate is the KL divergence of the posterior after all steps to the prior from which
            inference starts, in nats per image. It is not the sum over steps that training charges.
            No published figures are at hand.""",
        ),
        "latents": replace(_SIZES, least=2),
        "mnist_table": _of(
            mnist_table,
            _EVALUATION,
            """± is half the 95 % interval over seeds (Student's t). Squared error is per pixel.
            Accuracy is that of the paper's read-out (scikit-learn's defaults on raw rates), fitted
            on the number of training images given above. Published one-pass models have a
            convolutional decoder as well; ours have a convolutional encoder and a linear
            decoder.""",
        ),
        "angles": _of(
            angles,
            _EVALUATION,
            """All images are turned by the same angle, with linear interpolation. No published
            figures are at hand; ours stand alone.""",
        ),
        "other_sets": _of(
            other_sets,
            _EVALUATION,
            """Within: the same digits, each turned by an angle of its own. Between: other sets, and
            grey 28x28 patches of photographs. The median image's R2, and the mean in brackets,
            which one image whose inference runs away decides. No published figures are at hand.""",
        ),
        "wall_clock": _of(
            wall_clock,
            ("seconds",),
            """Whole calls with all images at once, one thread, median of three; other work may
            share the machine. The iP-VAE runs as compiled code, the others by torch. One pass of an
            encoder is the time of a single step.""",
        ),
        "operations": _of(
            operations,
            ("evaluation", "code", "operations"),
            """A synaptic operation is a nonzero weight that one event reaches; reconstruction is
            not counted. iP-VAE and LCA are run as integer networks of 8 bits, and R2 is theirs.
            Gaussian latents have no integer form. A Gaussian latent is hardly ever 0, so each
            neuron sends a dense message to all others in every step: counted from the pixels and
            latents that are not 0, times K; R2 is the float network's. Of one pass, the weights of
            its encoder.""",
        ),
        "neurons": _of(
            neurons,
            ("neurons",),
            """Features are what one neuron adds to the image, 16 of each model at random; neurons
            are up to 16 of those that a Gabor function describes, and see gratings and plaids as
            [probing](probing.md) says. Where it describes none, there is no neuron to record.
            Latency is that to half of the peak response. No published figures are at
            hand.""",
        ),
    }
)


def chosen(names: str | None) -> tuple[str, ...]:
    """Return the figures of a list with commas, all without one; ConfigError for an unknown one."""
    if names is None:
        return tuple(FIGURES)
    return tuple(
        dict.fromkeys(choose(name.strip(), FIGURES, "figure") for name in names.split(","))
    )
