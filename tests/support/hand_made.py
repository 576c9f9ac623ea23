"""Graphs made by hand, small, each with parts that no circuit has."""

from dataclasses import replace

import numpy as np

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
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.parts import NEURONS


class Maker:
    """Random parts under one seed; all sums and currents fit their words."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def kernel(self, *shape: int, most: int = 9) -> np.ndarray:
        """Return weights of a shape."""
        return self.rng.integers(-most, most + 1, shape).astype(np.int8)

    def thin(self, *shape: int, own: bool = False) -> Sparse:
        """Return sparse weights (targets, sources); own: those to itself are 0."""
        matrix = self.kernel(*shape) * (self.rng.random(shape) < 0.4)
        if own:
            np.fill_diagonal(matrix, 0)
        return Sparse.of(matrix.astype(np.int8))

    def connection(self, name: str, source: str, target: str, weights: Weights) -> Connection:
        """Return a connection whose sums count some thousands in the target."""
        n = weights.n_targets
        multiplier = self.rng.integers(200, 1 << 12, n).astype(np.int32)
        shift = self.rng.integers(5, 9, n).astype(np.int32)
        return Connection(name, source, target, Synapses(weights, multiplier, shift))

    def poisson(self, size: int, looped: bool = False) -> PoissonNeurons:
        """Return Poisson neurons that spike, and meet all their bounds now and then."""
        rng = self.rng
        return PoissonNeurons(
            bias=rng.integers(-900, 900, size).astype(np.int32),
            self_inhibition=rng.integers(0, 2000, size).astype(np.int32),
            initial_state=rng.integers(-2000, 4000, size).astype(np.int32),
            fraction_bits=10,
            extra_bits=2,
            state_min=-8 << 10,
            state_max=4 << 10,
            update_min=-3000,
            excitation_max=3000,
            max_count=6,
            loop_inhibition=rng.integers(0, 300, size).astype(np.int32) if looped else None,
        )

    def lca(self, size: int) -> LcaNeurons:
        """Return LCA neurons whose payloads and states meet their bounds now and then."""
        return LcaNeurons(
            threshold=self.rng.integers(0, 900, size).astype(np.int32),
            leak_shift=2,
            payload_shift=5,
            max_payload=20,
            state_max=6000,
        )

    def network(
        self,
        shape: tuple[int, ...],
        populations: tuple[Population, ...],
        connections: tuple[Connection, ...],
        decoder: Weights,
        source: str,
    ) -> IntegerNetwork:
        """Return a network of parts."""
        scale = self.rng.random(decoder.n_targets).astype(np.float32)
        return IntegerNetwork(
            input=InputCode(shape, "standardised", 0.01, 117),  # type: ignore[arg-type]  # 2 or 3
            populations=populations,
            connections=connections,
            decoder=Decoder(decoder, scale, source),
        )


def with_read_out(network: IntegerNetwork, classes: int = 3) -> IntegerNetwork:
    """Return a circuit with an accumulator for each class, its labels in no order."""
    made = Maker(5)
    bias = made.rng.integers(-400, 400, classes).astype(np.int32)
    scores = Accumulators(bias, np.arange(classes, dtype=np.int32)[::-1] + 4)
    weights = Dense(made.kernel(classes, network.n_neurons, most=60))
    readout = made.connection("readout", NEURONS, "scores", weights)
    return replace(
        network,
        populations=(Population("scores", scores), *network.populations),
        connections=(readout, *network.connections),
    )


def convolved() -> IntegerNetwork:
    """Return residual neurons around a convolution: odd stride, padding, and three channels."""
    made = Maker(6)
    geometry = Geometry(3, 8, 4, 4, 3, 2, 3, 1, True)  # 3 x 8 x 4 pixels to 2 x 3 x 2 features
    n, m = geometry.n_features, geometry.n_pixels
    shape = (2, 3, 4, 3)
    features, rows, columns = 2, geometry.rows, geometry.columns
    around = Geometry(features, rows, columns, 3, 3, features, 1, 1, False)
    near = made.kernel(features, features, 3, 3)
    near[np.arange(features), np.arange(features), 1, 1] = 0
    return made.network(
        (8, 4, 3),
        (
            Population("grid", made.poisson(n, looped=True), (features, rows, columns)),
            Population("error", ResidualNeurons(m, 90)),
            Population("scores", Accumulators(np.zeros(2, np.int32), np.arange(2, dtype=np.int32))),
        ),
        (
            made.connection("up", "error", "grid", Convolution(made.kernel(*shape), geometry)),
            made.connection("back", "grid", "error", Transposed(made.kernel(*shape), geometry)),
            made.connection("lateral", "grid", "grid", Convolution(near, around)),
            made.connection("readout", "grid", "scores", made.thin(2, n)),
            made.connection("pixels", IMAGE, "scores", Dense(made.kernel(2, m, most=3))),
        ),
        Transposed(made.kernel(*shape).astype(np.int16) * 300, geometry),
        "grid",
    )


def chain() -> IntegerNetwork:
    """Return two Poisson populations of odd size in a row, with feedback; the second is decoded."""
    made = Maker(7)
    return made.network(
        (3, 4),
        (Population("first", made.poisson(5)), Population("second", made.poisson(3))),
        (
            made.connection("forward", IMAGE, "first", Dense(made.kernel(5, 12, most=3))),
            made.connection("up", "first", "second", Dense(made.kernel(3, 5, most=60))),
            made.connection("down", "second", "first", Dense(made.kernel(5, 3, most=60))),
            made.connection("lateral", "second", "second", made.thin(3, 3, own=True)),
        ),
        Dense(made.kernel(12, 3).astype(np.int16)),
        "second",
    )


def lca() -> IntegerNetwork:
    """Return LCA neurons with sparse competition, which drive Poisson neurons."""
    made = Maker(8)
    return made.network(
        (3, 3),
        (Population("code", made.lca(6)), Population("after", made.poisson(2))),
        (
            made.connection("forward", IMAGE, "code", Dense(made.kernel(6, 9, most=3))),
            made.connection("compete", "code", "code", made.thin(6, 6)),
            made.connection("drive", "code", "after", made.thin(2, 6)),
        ),
        Dense(made.kernel(9, 6).astype(np.int16)),
        "code",
    )


def relayed() -> IntegerNetwork:
    """Return two populations of residual neurons in a row: a step takes three time steps."""
    made = Maker(9)
    m, k = 6, 4
    return made.network(
        (2, 3),
        (
            Population("late", ResidualNeurons(m, 200)),
            Population("early", ResidualNeurons(m, 60)),
            Population("cells", made.poisson(k)),
        ),
        (
            made.connection("up", "late", "cells", Dense(made.kernel(k, m))),
            made.connection("side", "early", "cells", Dense(made.kernel(k, m))),
            made.connection("between", "early", "late", Dense(made.kernel(m, m, most=3))),
            made.connection("shown", IMAGE, "early", made.thin(m, m)),
            made.connection("back", "cells", "early", Dense(made.kernel(m, k))),
            made.connection("lateral", "cells", "cells", made.thin(k, k, own=True)),
        ),
        Dense(made.kernel(m, k).astype(np.int16)),
        "cells",
    )
