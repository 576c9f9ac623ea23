"""Rasters: what is drawn where, and what the sizes of dots mean."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from ipvae_snn.report import rasters

COUNTS = np.array([[0, 4, 1], [0, 2, 0], [0, 0, 3], [0, 1, 0]])  # 4 steps of 3 neurons


def drawn(collection: PathCollection) -> dict[tuple[float, float], float]:
    """Return the areas of dots by place."""
    offsets = np.asarray(collection.get_offsets())
    return {
        tuple(place): size
        for place, size in zip(offsets.tolist(), collection.get_sizes(), strict=True)
    }


def test_the_area_of_a_dot_is_its_count_and_steps_count_from_1() -> None:
    axes = Figure().add_subplot()
    rasters.dots(axes, COUNTS, (4.0, 2.0))
    areas = drawn(axes.collections[0])
    unit = areas[1.0, 2.0]
    assert {place: area / unit for place, area in areas.items()} == pytest.approx(
        {(1.0, 1.0): 4, (1.0, 2.0): 1, (2.0, 1.0): 2, (3.0, 2.0): 3, (4.0, 1.0): 1}
    )
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["1", "2", "4"]
    shown = [handle.get_sizes()[0] / unit for handle in legend.legend_handles]  # type: ignore[union-attr]
    assert shown == pytest.approx([1, 2, 4])
    assert axes.get_xlim() == (0.5, 4.5)


def test_without_space_for_dots_counts_are_an_image() -> None:
    figure = Figure()
    axes = figure.add_subplot()
    rasters.dots(axes, np.ones((1000, 3), int), (4.0, 2.0))
    assert len(axes.images) == 1
    assert axes.images[0].get_extent() == [0.5, 1000.5, 2.5, -0.5]


def test_a_raster_shows_active_neurons_or_the_chosen_ones_in_order() -> None:
    for neurons, expected in (
        (None, [[4, 2, 0, 1], [1, 0, 3, 0]]),
        ([2, 0], [[1, 0, 3, 0], [0] * 4]),
    ):
        axes = Figure().add_subplot()
        rasters.raster(axes, COUNTS, "x", neurons)
        np.testing.assert_array_equal(axes.images[0].get_array(), expected)
        assert axes.images[0].get_extent() == [0.5, 4.5, 1.5, -0.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2", "0"]


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("neurons", [0, 1, 60])
def test_any_size_is_drawn(steps: int, neurons: int) -> None:
    """No neuron, one, and more than have a label; one step, where a line would not be seen."""
    counts = np.zeros((steps, neurons), int)
    figure = Figure(figsize=rasters.potentials_size(neurons))
    rasters.raster_and_potentials(figure, np.arange(neurons), counts, 0.5 * counts, "x")
    rasters.raster(Figure().add_subplot(), counts, "x")
    lines = figure.axes[1].lines
    assert len(lines) == min(neurons, rasters.LINES)
    assert all((line.get_marker() == ".") == (steps == 1) for line in lines)
