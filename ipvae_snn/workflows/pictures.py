"""Pictures of networks and runs for notebooks.

Each function draws into `axes`, or into a new figure, and returns the axes:
`raster(trace).figure.savefig("raster.svg")`. New figures need no display; `savefig` writes the
format of the suffix (PNG, SVG, PDF).
"""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ipvae_snn.arrays import Floats, Int32
from ipvae_snn.data import ImageSet
from ipvae_snn.errors import DataError
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import Trace, counts_of
from ipvae_snn.models.networks import NetworkSource, load
from ipvae_snn.report import picture_files, plots, rasters


def raster(
    trace: Trace,
    image: int = 0,
    axes: Axes | None = None,
    neurons: Sequence[int] | None = None,
) -> Axes:
    """Draw the spike counts of one image over the steps.

    neurons: those drawn, in this order; by default all that spike, the most active first.

    Raises DataError for a run without a trace (`run(..., trace=True)` keeps it), or without this
    image or neuron.
    """
    counts = _traced(trace)
    if not 0 <= image < len(counts):
        raise DataError(f"there is no image {image}; the run has 0..{len(counts) - 1}")
    unknown = [] if neurons is None else [k for k in neurons if not 0 <= k < counts.shape[2]]
    if unknown:
        raise DataError(f"there is no neuron {unknown[0]}; the run has 0..{counts.shape[2] - 1}")
    axes = _axes(rasters.RASTER_SIZE) if axes is None else axes
    return rasters.raster(axes, counts[image], f"Spike counts of image {image}", neurons)


def dictionary(network: NetworkSource, use: Floats | None = None, axes: Axes | None = None) -> Axes:
    """Draw the dictionary elements in the order of `use` (K,), the largest first.

    use: by default each element's norm; `trace.counts_sum.sum(0)` sorts by spikes. The elements of
    a convolutional dictionary are its kernels.
    """
    loaded = load(network)
    if isinstance(loaded, IntegerNetwork):
        phi = (loaded.decoder.matrix * loaded.decoder.scale[:, None]).astype(np.float32)
        shape = loaded.input.image_shape
    else:
        phi, shape = loaded.dictionary.elements(loaded.image_shape)
        if use is not None and np.shape(use) == (loaded.n_neurons,):
            use = loaded.dictionary.by_element(np.asarray(use))
    ranked = np.linalg.norm(phi, axis=0) if use is None else np.asarray(use)
    if ranked.shape != (phi.shape[1],):
        raise DataError(f"use has shape {ranked.shape}, but there are {phi.shape[1]} elements")
    axes = _axes(plots.DICTIONARY_SIZE) if axes is None else axes
    return plots.dictionary(axes, phi, shape, ranked)


def spikes(trace: Trace, axes: Axes | None = None) -> Axes:
    """Draw the spikes of all neurons per step, means over the images."""
    axes = _axes(plots.CURVES_SIZE) if axes is None else axes
    mean = trace.spikes_per_step.mean(axis=0)
    axes.plot(np.arange(1, len(mean) + 1), mean, linewidth=1.6)
    axes.set_xlabel("step")
    axes.set_ylabel("spikes per image")
    axes.set_ylim(0)
    axes.set_title(f"Spikes of all neurons, means of {len(trace.spikes_per_step)} images")
    return axes


def reconstructions(
    network: NetworkSource,
    images: ImageSet,
    trace: Trace,
    steps: tuple[int, ...] = (1, 4, 16, 64),
    shown: int = 8,
) -> Figure:
    """Draw the first images and, below them, reconstructions from single steps.

    images: those of the run, `result.images`. Raises DataError for a run without a trace.
    """
    loaded, counts = load(network), _traced(trace)
    last = counts.shape[1]
    rows = {
        step: interpreter.decode(loaded, counts[:shown, step - 1])
        if isinstance(loaded, IntegerNetwork)
        else loaded.dictionary.decode(counts[:shown, step - 1].astype(np.float64))
        for step in steps
        if step <= last
    }
    originals = images.pixels[:shown]
    figure = _figure(plots.reconstructions_size(len(originals), len(rows)))
    title = f"Images of {images.name}, reconstructed from the spikes of one step"
    return plots.reconstructions(figure, originals, rows, images.image_shape, title)


def _traced(trace: Trace) -> Int32:
    if trace.counts is None:
        raise DataError("the run kept no trace; run it with trace=True")
    return counts_of(trace)


def _figure(size: tuple[float, float]) -> Figure:
    """Return an empty figure in the toolkit's style, without a display."""
    with matplotlib.rc_context(picture_files.STYLE):
        figure = Figure(figsize=size, layout="constrained", dpi=picture_files.DPI)
        FigureCanvasAgg(figure)
        return figure


def _axes(size: tuple[float, float]) -> Axes:
    with matplotlib.rc_context(picture_files.STYLE):
        return _figure(size).add_subplot()
