"""Integer networks made by hypothesis: any graph that the rules allow, and small."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from ipvae_snn.errors import ProgramError
from ipvae_snn.image_shape import ImageShape, n_channels, n_pixels
from ipvae_snn.ir import (
    Accumulators,
    Connection,
    Convolution,
    Decoder,
    Dense,
    Geometry,
    InputCode,
    IntegerNetwork,
    LcaNeurons,
    PoissonNeurons,
    Population,
    ResidualNeurons,
    Sparse,
    Synapses,
    Transposed,
    Weights,
)
from ipvae_snn.ir.decoding import Decoding
from ipvae_snn.ir.graph import IMAGE

LARGEST_WEIGHT = 7


@dataclass(frozen=True)
class Grid:
    """A convolution over an image: a kernel of `side` pixels at a stride, for some features."""

    features: int
    side: int
    stride: int
    places: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Features, rows and columns of the population."""
        return self.features, *self.places

    def image(self, channels: int) -> ImageShape:
        """Return the image that the kernel's places just cover."""
        rows, columns = self.places
        height = self.stride * (rows - 1) + self.side
        width = self.stride * (columns - 1) + self.side
        return (height, width) if channels == 1 else (height, width, channels)

    def geometry(self, shape: ImageShape) -> Geometry:
        """Return how the kernel moves over the image."""
        side = self.side
        channels = n_channels(shape)
        return Geometry(
            channels, shape[0], shape[1], side, side, self.features, self.stride, 0, True
        )


@st.composite
def networks(draw: st.DrawFn) -> IntegerNetwork:
    """Draw a network of one to three computing populations with any kinds of parts."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grid = Grid(
        features=draw(st.integers(1, 3)),
        side=draw(st.integers(1, 3)),
        stride=draw(st.integers(1, 3)),
        places=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
    )
    shape = grid.image(draw(st.sampled_from((1, 1, 3))))
    m, k = n_pixels(shape), grid.features * grid.places[0] * grid.places[1]
    shared = draw(st.booleans())
    geometry = grid.geometry(shape)

    def kernel(*size: int) -> np.ndarray:
        return rng.integers(-LARGEST_WEIGHT, LARGEST_WEIGHT + 1, size).astype(np.int8)

    def weights(targets: int, sources: int, own: bool = False) -> Weights:
        matrix = kernel(targets, sources)
        if own:
            np.fill_diagonal(matrix, 0)
        if draw(st.booleans()):
            return Dense(matrix)
        return Sparse.of((matrix * (rng.random(matrix.shape) < 0.3)).astype(np.int8))

    whole = (grid.features, geometry.channels, grid.side, grid.side)
    kind = draw(st.sampled_from(("poisson", "lca")))
    group = _computing(rng, kind, k)
    populations = [Population("first", group, grid.shape)]
    connections: list[Connection] = []

    def connect(name: str, source: str, target: str, some: Weights) -> None:
        connections.append(Connection(name, source, target, _scaled(rng, some)))

    if draw(st.booleans()):  # by residual neurons
        populations.append(Population("error", ResidualNeurons(m, int(rng.integers(1, 400)))))
        back = Transposed(kernel(*whole), geometry) if shared else weights(m, k)
        connect("back", "first", "error", back)
        up = Convolution(kernel(*whole), geometry) if shared else weights(k, m)
        connect("forward", "error", "first", up)
    else:
        up = Convolution(kernel(*whole), geometry) if shared else weights(k, m)
        connect("forward", IMAGE, "first", up)
        lateral = _competition(rng, grid) if shared else weights(k, k, own=True)
        connect("lateral", "first", "first", lateral)
    last, size = "first", k
    for name in ("second", "third")[: draw(st.integers(0, 2))]:
        n = draw(st.integers(1, 4))
        populations.append(Population(name, _computing(rng, draw(st.sampled_from(KINDS)), n)))
        connect(f"to_{name}", last, name, weights(n, size))
        if draw(st.booleans()):
            connect(f"back_from_{name}", name, last, weights(size, n))
        last, size = name, n
    if draw(st.booleans()):
        n = draw(st.integers(1, 4))
        bias = rng.integers(-50, 50, n).astype(np.int32)
        labels = rng.permutation(n).astype(np.int32)
        populations.append(Population("scores", Accumulators(bias, labels)))
        connect("readout", last, "scores", weights(n, size))
    code = InputCode(shape, "standardised", 0.01, int(rng.integers(0, 200)))
    decoder = _decoder(rng, geometry if shared else None, (m, k))
    kinds = ("sample", "sample", "mean", "map" if kind == "poisson" else "mean")
    decoded = draw(st.sampled_from(kinds))
    decoding = Decoding(decoded, draw(st.integers(1, 5)) if decoded == "mean" else 1)
    decoder = replace(decoder, decoding=decoding)
    try:
        return IntegerNetwork(code, tuple(populations), tuple(connections), decoder)
    except ProgramError as error:  # a few of the scales lift a current beyond its 24 bits
        if "the input current of neuron" not in str(error):
            raise
        reject()


KINDS = ("poisson", "lca")


def _computing(rng: np.random.Generator, kind: str, size: int) -> PoissonNeurons | LcaNeurons:
    if kind == "lca":
        return LcaNeurons(
            threshold=rng.integers(0, 60, size).astype(np.int32),
            leak_shift=int(rng.integers(1, 5)),
            payload_shift=int(rng.integers(0, 3)),
            max_payload=int(rng.integers(1, 60)),
            state_max=int(rng.integers(100, 100_000)),
        )
    bits, extra = int(rng.integers(4, 13)), int(rng.integers(0, 4))
    return PoissonNeurons(
        bias=rng.integers(-200, 200, size).astype(np.int32),
        self_inhibition=rng.integers(0, 400, size).astype(np.int32),
        initial_state=rng.integers(-(1 << bits), 1 << bits, size).astype(np.int32),
        fraction_bits=bits,
        extra_bits=extra,
        state_min=-8 << bits,
        state_max=int(rng.integers(1, 5)) << bits,
        update_min=-int(rng.integers(1, 4)) << bits,
        excitation_max=int(rng.integers(1, 4)) << bits,
        max_count=int(rng.integers(1, 40)),
        loop_inhibition=rng.integers(0, 50, size).astype(np.int32) if rng.random() < 0.5 else None,
    )


def _scaled(rng: np.random.Generator, weights: Weights) -> Synapses:
    n = weights.n_targets
    multiplier = rng.integers(0, 1 << 12, n).astype(np.int32)
    return Synapses(weights, multiplier, rng.integers(6, 14, n).astype(np.int32))


def _competition(rng: np.random.Generator, grid: Grid) -> Convolution:
    """Return weights between features at positions; no neuron has one to itself."""
    reach = int(rng.integers(0, 3))
    side = 2 * reach + 1
    size = (grid.features, grid.features, side, side)
    kernel = rng.integers(-LARGEST_WEIGHT, LARGEST_WEIGHT + 1, size).astype(np.int8)
    kernel[np.arange(grid.features), np.arange(grid.features), reach, reach] = 0
    rows, columns = grid.places
    return Convolution(
        kernel,
        Geometry(grid.features, rows, columns, side, side, grid.features, 1, reach, False),
    )


def _decoder(
    rng: np.random.Generator, geometry: Geometry | None, sizes: tuple[int, int]
) -> Decoder:
    scale = rng.random(sizes[0]).astype(np.float32)
    if geometry is None:
        matrix = rng.integers(-3000, 3000, sizes).astype(np.int16)
        return Decoder(Dense(matrix), scale, "first")
    g = geometry
    size = (g.features, g.channels, g.kernel_height, g.kernel_width)
    return Decoder(Transposed(rng.integers(-3000, 3000, size).astype(np.int16), g), scale, "first")
