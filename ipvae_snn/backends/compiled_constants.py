"""Constants of integer neurons and synapses in the form that compiled code reads."""

from typing import cast

import numpy as np

from ipvae_snn.arrays import Int8, Int64
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.parts import Synapses as IntegerSynapses
from ipvae_snn.ir.sampler import SamplerTables
from ipvae_snn.ir.weights import Dense
from ipvae_snn.kernels.count_sums import padded
from ipvae_snn.kernels.integer import Group, Synapses
from ipvae_snn.kernels.integer_draw import Sampling


def sampling_of(group: PoissonNeurons, first: int = 0) -> Sampling:
    """Return the constants of the draw; first: index of the first neuron's uniform."""
    tables = SamplerTables()
    return Sampling(
        first=first,
        bits=group.fraction_bits,
        max_count=group.max_count,
        # Copies: some tables are writeable and others are not; the loop would be compiled again
        # for the other kind.
        coarse=np.array(tables.coarse),
        fine=np.array(tables.fine),
        reciprocal=np.array(tables.reciprocal),
    )


def group_of(group: PoissonNeurons) -> Group:
    """Return the constants of the update."""
    return Group(
        bias=group.bias.astype(np.int64),
        self_inhibition=group.self_inhibition.astype(np.int32),
        own=group.own_inhibition.astype(np.int32),
        extra_bits=group.extra_bits,
        state_min=group.state_min,
        state_max=group.state_max,
        update_min=group.update_min,
        excitation_max=group.excitation_max,
    )


def columns_of(weights: Dense) -> tuple[Int8, Int64]:
    """Return padded weights by source (kernels/count_sums.py), and the largest |weight| of each."""
    columns = padded(weights.matrix.T.astype(np.int8))  # int16 is for decoders alone
    return columns, np.maximum(columns.max(axis=1), -columns.min(axis=1).astype(np.int64))


def synapses_of(synapses: IntegerSynapses) -> Synapses:
    """Return dense synapses by source, with their scale."""
    shift = synapses.shift.astype(np.int64)
    return Synapses(
        *columns_of(cast(Dense, synapses.weights)),
        synapses.multiplier.astype(np.int32),
        shift,
        np.left_shift(np.int64(1), shift - 1),
    )
