"""Kinds of weights as torch modules: the exact sums that payloads cause.

Factors are float64: products and partial sums are whole and far below 2^53, so any order of
summation is exact. float32 would suffice for most, but autocast, TF32 or a user's float32 matmul
precision could round its factors to 8 or 11 bits; none of these affects float64.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ipvae_snn.arrays import AnyArray
from ipvae_snn.errors import BackendError
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.weights import Convolution, Dense, Sparse, Transposed, Weights


class WeightsTorch(nn.Module, ABC):
    """Weights of one kind on one device, as buffers that no state dict holds."""

    @abstractmethod
    def sums(self, payload: Tensor) -> Tensor:
        """Return the sums (N, targets) of a payload (N, sources): float64, whole numbers."""

    def _hold(self, name: str, array: AnyArray) -> None:
        self.register_buffer(name, torch.tensor(array), persistent=False)


class DenseTorch(WeightsTorch):
    """A matrix (sources, targets)."""

    matrix: Tensor

    def __init__(self, weights: Dense) -> None:
        super().__init__()
        self._hold("matrix", weights.matrix.T.astype(np.float64))

    def sums(self, payload: Tensor) -> Tensor:
        """Return payload times matrix."""
        return payload.double() @ self.matrix


class SparseTorch(WeightsTorch):
    """The weights that are not 0: places (2, n), targets and sources, and values (n,)."""

    places: Tensor
    values: Tensor

    def __init__(self, weights: Sparse) -> None:
        super().__init__()
        targets = np.repeat(np.arange(weights.n_targets), np.diff(weights.starts))
        self._hold("places", np.stack([targets, weights.columns.astype(np.int64)]))
        self._hold("values", weights.values.astype(np.float64))
        self.size = (weights.n_targets, weights.n_sources)

    def sums(self, payload: Tensor) -> Tensor:
        """Return payload times the sparse matrix."""
        # Made at every call: a module cannot cast or copy a sparse buffer, and this takes no time.
        matrix = torch.sparse_coo_tensor(
            self.places, self.values, self.size, is_coalesced=True, check_invariants=False
        )
        result: Tensor = torch.sparse.mm(matrix, payload.double().T).T
        return result.contiguous()


class ConvolutionTorch(WeightsTorch):
    """A kernel (features, channels, height, width) over the pixel side of a geometry."""

    kernel: Tensor

    def __init__(self, weights: Convolution) -> None:
        super().__init__()
        self.geometry = weights.geometry
        self._hold("kernel", weights.kernel.astype(np.float64))

    def sums(self, payload: Tensor) -> Tensor:
        """Return what features see of pixels."""
        g = self.geometry
        if g.pixels_last:
            planes = payload.reshape(-1, g.height, g.width, g.channels).permute(0, 3, 1, 2)
        else:
            planes = payload.reshape(-1, g.channels, g.height, g.width)
        seen = functional.conv2d(planes.double(), self.kernel, stride=g.stride, padding=g.padding)
        # cuDNN may choose a Fourier transform, whose error is far below one half.
        return seen.flatten(1).round_()


class TransposedTorch(ConvolutionTorch):
    """The same places the other way, from features to pixels."""

    def sums(self, payload: Tensor) -> Tensor:
        """Return what pixels receive from features."""
        g = self.geometry
        sent = payload.double().reshape(-1, g.features, g.rows, g.columns)
        planes = functional.conv_transpose2d(sent, self.kernel, stride=g.stride, padding=g.padding)
        ordered = planes.permute(0, 2, 3, 1) if g.pixels_last else planes
        return ordered.flatten(1).round_()


# Each kind takes the weights of its own kind.
KINDS: Final[Mapping[str, Callable[[Any], WeightsTorch]]] = {
    Dense.kind: DenseTorch,
    Sparse.kind: SparseTorch,
    Convolution.kind: ConvolutionTorch,
    Transposed.kind: TransposedTorch,
}


def weights_torch(weights: Weights) -> WeightsTorch:
    """Return weights as a torch module; BackendError for a kind that torch does not run."""
    if weights.kind not in KINDS:
        raise BackendError(
            f"torch: weights of kind {weights.kind!r} are not among {', '.join(KINDS)}; use the "
            "back end reference"
        )
    return KINDS[weights.kind](weights)


class SynapsesTorch(nn.Module):
    """Weights and the scale of their sums: multiplier, shift and half a unit, (targets,) int64."""

    multiplier: Tensor
    shift: Tensor
    half_unit: Tensor

    def __init__(self, synapses: Synapses) -> None:
        super().__init__()
        self.weights = weights_torch(synapses.weights)
        shift = synapses.shift.astype(np.int64)
        for name, array in (
            ("multiplier", synapses.multiplier.astype(np.int64)),
            ("shift", shift),
            ("half_unit", np.left_shift(np.int64(1), shift - 1)),
        ):
            self.register_buffer(name, torch.tensor(array), persistent=False)

    def scaled(self, payload: Tensor) -> Tensor:
        """Return the scaled sums (N, targets) int64 of a payload (N, sources), a new tensor."""
        total = self.weights.sums(payload).to(torch.int64)
        total.mul_(self.multiplier).add_(self.half_unit)
        return total.bitwise_right_shift_(self.shift)
