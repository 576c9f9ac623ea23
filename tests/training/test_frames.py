"""Moving inputs: pixels of each frame, and training on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, TrainConfig
from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.sequences import drifted
from ipvae_snn.errors import DataError
from ipvae_snn.training.frames import in_frames
from ipvae_snn.training.train import train


def images(n: int, height: int = 3, width: int = 4) -> ImageSet:
    pixels = np.arange(1, n * height * width + 1, dtype=np.float32).reshape(n, -1)
    return ImageSet("ramp", "train", pixels / pixels.max(), (height, width), "unit")


def test_still_images_stay_as_they_are() -> None:
    shown = in_frames(images(5), DataConfig(frames=1))
    assert np.array_equal(shown, images(5).pixels)


def test_a_video_is_consecutive_images_and_the_rest_goes() -> None:
    shown = in_frames(images(7), DataConfig(frames=3))
    assert shown.shape == (2, 3, 12)
    assert np.array_equal(shown.reshape(6, 12), images(7).pixels[:6])
    with pytest.raises(DataError, match=r"^ramp: 7 images .* make no sequence of 8 frames; lower"):
        in_frames(images(7), DataConfig(frames=8))


def test_an_image_drifts_by_a_pixel_a_frame_and_black_comes_in() -> None:
    # Direction 0 is to the right. 3 frames: one back, in place, one on.
    picture = np.arange(1, 7, dtype=np.float32).reshape(1, 6)
    shown = drifted(picture, (2, 3), 3).reshape(3, 2, 3)
    assert shown.tolist() == [
        [[2, 3, 0], [5, 6, 0]],
        [[1, 2, 3], [4, 5, 6]],
        [[0, 1, 2], [0, 4, 5]],
    ]


def test_every_direction_moves_by_itself_and_far_drifts_leave_black() -> None:
    picture = np.zeros((8, 7, 7), np.float32)
    picture[:, 3, 3] = 1.0
    shown = drifted(picture.reshape(8, 49), (7, 7), 3).reshape(8, 3, 7, 7)
    places = {tuple(np.argwhere(sequence[2])[0] - 3) for sequence in shown}
    assert places == {(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)} - {(0, 0)}
    far = drifted(picture.reshape(8, 49), (7, 7), 41).reshape(8, 41, 49)
    assert not far[:, 0].any()
    assert not far[:, -1].any()
    assert np.array_equal(far[:, 20], picture.reshape(8, 49))


@pytest.mark.parametrize("motion", ["video", "drift"])
def test_training_on_moving_images_goes_on_after_a_stop(tmp_path: Path, motion: str) -> None:
    config = Config(
        ModelConfig(
            n_latents=6,
            phi_std=0.1,
            log_lr=-1.0,
            u0_low=-3.0,
            u0_high=-2.0,
            updates_per_step=2,
            leak=0.1,
        ),
        TrainConfig(
            steps=6,
            batch_size=5,
            iterations=8,
            checkpoint_interval=4,
            validation_interval=0,
            threads=1,
        ),
        DataConfig(name="ramp", frames=3),
    )
    config = replace(config, data=replace(config.data, motion=motion))
    for out in ("whole", "resumed"):
        train(config, images(30), images(9), tmp_path / out)
    (tmp_path / "resumed" / "model.safetensors").unlink()
    train(config, images(30), images(9), tmp_path / "resumed", resume=True)
    first, second = (
        (tmp_path / out / "model.safetensors").read_bytes() for out in ("whole", "resumed")
    )
    assert first == second
