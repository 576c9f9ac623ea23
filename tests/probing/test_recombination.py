"""Images in parts: a code made by hand, and networks whose features are known."""

from dataclasses import dataclass

import numpy as np
import pytest

from ipvae_snn.arrays import Float32, Int32
from ipvae_snn.data import ImageSet
from ipvae_snn.errors import ConfigError
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.ir.prng import MAX_STEPS
from ipvae_snn.probing.doublings import doublings
from ipvae_snn.probing.recombination import (
    least_kept,
    measure,
    serving,
    taken_apart,
)
from ipvae_snn.probing.recorder import Latents, feature_norms

# Three features of three pixels: each its own, of norms 1, 2 and 3.
PHI = np.diag([1.0, 2.0, 3.0]).astype(np.float32)


@dataclass(frozen=True)
class Known:
    """A recorder whose counts are given: those of image n at every step are rows[n]."""

    rows: Int32
    what: str = "known network"
    image_shape: tuple[int, int] = (1, 3)
    input_kind: InputKind = "unit"
    n_neurons: int = 3
    grid: tuple[int, ...] = ()
    per_latent: None = None

    def latents(self, frames: Float32, steps: int, seed: int, first: int) -> Int32:
        del seed
        shown = self.rows[first : first + len(frames)]
        result = np.repeat(shown[:, None], steps, axis=1)
        result[:, : steps // 2] = 7  # the first half, which does not count
        return np.asarray(result, np.int32)

    def decode(self, latents: Latents) -> Float32:
        return np.asarray(latents @ PHI.T, np.float32)


# Image 0 is 6 on its second pixel and 3 on its third; image 1 is 4 on its first alone.
ROWS = np.array([[0, 3, 1], [4, 0, 0]], np.int32)


def images(pixels: Float32) -> ImageSet:
    return ImageSet("known", "test", pixels, (1, 3), "standardised", "made by hand")


def test_numbers_kept_end_with_all() -> None:
    assert doublings(1) == (1,)
    assert doublings(3) == (1, 2, 3)
    assert doublings(8) == (1, 2, 4, 8)
    assert doublings(512)[-3:] == (128, 256, 512)


def test_norms_are_those_of_the_features() -> None:
    assert feature_norms(Known(ROWS)) == pytest.approx([1.0, 2.0, 3.0])


def test_parts_of_a_code_made_by_hand() -> None:
    """Strengths of image 0 are 0, 6 and 3; of image 1 4, 0 and 0. Totals are over 2 steps."""
    recorder, pixels = Known(ROWS), np.array([[0, 6, 3], [4, 0, 0]], np.float32)
    parts = taken_apart(recorder, pixels, 2 * ROWS, 2, feature_norms(recorder), (1, 2, 3))
    assert parts.rank.tolist() == [[2, 0, 1], [0, 1, 2]]
    assert parts.sums[0].tolist() == [[0, 6, 0], [4, 0, 0]]
    assert parts.sums[1].tolist() == parts.sums[2].tolist() == [[0, 6, 3], [4, 0, 0]]
    # Of image 0, mean 3 and squares 9 + 9 + 0 about it, the first leaves 9: R2 1 - 9 / 18.
    assert parts.r2.tolist() == [[0.5, 1.0, 1.0], [1.0, 1.0, 1.0]]
    assert least_kept(parts.r2, (1, 2, 3)).tolist() == [2, 1]
    needed = least_kept(parts.r2, (1, 2, 3))
    assert serving(parts, needed).tolist() == [[False, True, True], [True, False, False]]


def test_an_image_that_is_not_explained_needs_nothing() -> None:
    r2 = np.array([[-3.0, -1.0], [np.nan, np.nan], [0.2, 0.1]])
    assert np.array_equal(least_kept(r2, (1, 2)), [np.nan, np.nan, 1.0], equal_nan=True)


def test_figures_over_images() -> None:
    pixels = np.array([[0, 6, 3], [4, 0, 0]], np.float32)
    found = measure(Known(ROWS), images(pixels), 8, 0)
    assert found.kept == (1, 2, 3)
    assert [value.mean for value in found.r2] == [0.75, 1.0, 1.0]
    assert found.needed.mean == 1.5
    assert (found.serving.mean, found.serving.n) == (1.0, 3)
    assert found.shared.mean == 0.5
    first = found.examples[0]
    assert first.neurons.tolist() == [1, 2, 0]
    assert first.features.tolist() == [[0, 6, 0], [0, 0, 3], [0, 0, 0]]
    one = measure(Known(ROWS), images(pixels), 1, 0)
    assert one.r2 == found.r2


def test_too_many_steps_are_one_line() -> None:
    with pytest.raises(ConfigError, match="steps are more than the"):
        measure(Known(ROWS), images(np.zeros((2, 3), np.float32)), MAX_STEPS + 1, 0)
