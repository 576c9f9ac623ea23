"""Composites of training images: what they are; processes and resumed runs see the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, TrainConfig
from ipvae_snn.config.toml import from_toml
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError
from ipvae_snn.image_shape import ImageShape, n_pixels
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.training import composites as composed
from ipvae_snn.training.composites import Composites, composites
from ipvae_snn.training.train import train
from ipvae_snn.training.trainer import TrainProgress

SHAPES: tuple[ImageShape, ...] = ((8, 8), (6, 9), (5, 4, 3))


def light(n: int, shape: ImageShape) -> Tensor:
    levels = np.random.default_rng(n).integers(0, 256, (n, n_pixels(shape)))
    return torch.from_numpy(levels.astype(np.float32) / 255)


def key(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", SHAPES)
def test_images_of_light_stay_levels(shape: ImageShape) -> None:
    made = composites(light(7, shape), shape, "unit", 40, key(1))
    assert made.shape == (40, n_pixels(shape))
    assert made.min() >= 0
    assert made.max() <= 1
    assert torch.equal((made * 255).round() / 255, made)
    assert (made.flatten(1).sum(1) > 0).float().mean() > 0.8


def test_a_grey_image_of_each_colour_stays_grey() -> None:
    shape = (5, 4, 3)
    grey = light(6, (5, 4)).repeat_interleave(3, 1)
    made = composites(grey, shape, "unit", 30, key(2)).reshape(30, 5, 4, 3)
    assert torch.equal(made[..., 0], made[..., 1])
    assert torch.equal(made[..., 0], made[..., 2])


def test_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """At full view: dimmed to a half, turned by a quarter, and moved by half an image."""
    for name, value in (("LEAST_VIEW", 1.0), ("MOST_VIEW", 1.0), ("SHIFT", 1.0)):
        monkeypatch.setattr(composed, name, value)

    def seen(turn: float, right: float) -> list[float]:
        place = torch.tensor([turn, 0.5, 0.5, right, 1 / 6]).reshape(5, 1)
        upper = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
        made: list[float] = composed._seen(upper, (2, 2), place)[0].tolist()
        return made

    assert seen(0.0, 0.5) == pytest.approx([0.5, 0.5, 0.0, 0.0], abs=1e-6)
    assert seen(0.5, 0.5) == pytest.approx([0.0, 0.0, 0.5, 0.5], abs=1e-6)
    # What the left half shows is from the right half, and beyond it nothing is.
    assert seen(0.0, 0.75) == pytest.approx([0.5, 0.0, 0.0, 0.0], abs=1e-6)


@pytest.mark.parametrize("kind", ["unit", "standardised"])
def test_joins(kind: InputKind) -> None:
    first, second = torch.tensor([[0.6, 0.2]] * 2), torch.tensor([[0.2, 1.0]] * 2)
    joined = composed._JOINS[kind](first, second, torch.tensor([[0.1], [0.9]]))
    wanted = {
        "unit": [[0.6, 1.0], [0.4, 0.0]],
        "standardised": [[0.8, 1.2], [0.4, -0.8]],
    }
    assert torch.allclose(joined, torch.tensor(wanted[kind]))


@given(
    share=st.sampled_from([0.1, 0.5, 1.0]),
    n_rows=st.integers(1, 12),
    cut=st.integers(0, 12),
    iteration=st.integers(0, 5),
)
def test_processes_share_the_composites(
    share: float, n_rows: int, cut: int, iteration: int
) -> None:
    images = light(9, (4, 4))
    mixture = Composites(images, (4, 4), "unit", share, 3)
    x, cut = images[torch.arange(n_rows) % 9], min(cut, n_rows)
    whole = mixture.mixed(x, slice(0, n_rows), n_rows, iteration)
    parts = [
        mixture.mixed(x[rows], rows, n_rows, iteration)
        for rows in (slice(0, cut), slice(cut, n_rows))
    ]
    assert torch.equal(torch.cat(parts), whole)
    n = round(share * n_rows)
    assert torch.equal(whole[n:], x[n:])
    again = mixture.mixed(x, slice(0, n_rows), n_rows, iteration + 1)
    assert n == 0 or not torch.equal(again[:n], whole[:n])


def test_training_sees_them_and_resumes(tmp_path: Path) -> None:
    images = ImageSet("squares", "train", light(40, (4, 4)).numpy(), (4, 4), "unit")
    config = Config(
        ModelConfig(n_latents=6, dictionary="untied"),
        TrainConfig(
            steps=2,
            batch_size=8,
            iterations=8,
            validation_interval=0,
            checkpoint_interval=4,
            composites=0.5,
            lateral_sparsity=0.3,
        ),
        DataConfig(name="squares"),
    )

    def kill(at: TrainProgress) -> None:
        if at.iteration == 6:
            raise KeyboardInterrupt

    whole, plain, cut = (tmp_path / name for name in ("whole", "plain", "cut"))
    train(config, images, images, whole)
    train(replace(config, train=replace(config.train, composites=0.0)), images, images, plain)
    with pytest.raises(KeyboardInterrupt):
        train(config, images, images, cut, progress=kill)
    train(config, images, images, cut, resume=True)
    read = [(folder / "model.safetensors").read_bytes() for folder in (whole, cut, plain)]
    assert read[0] == read[1]
    assert read[0] != read[2]


def test_moving_images_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.composites is 0\.2, but they are made of still"):
        from_toml("[train]\ncomposites = 0.2\n[data]\nframes = 4", "x")
