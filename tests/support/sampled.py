"""The compiled relaxed sample with its slope, for automatic differentiation in tests."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.kernels import relaxed_sample as kernel
from ipvae_snn.training.unrolling import Unrolling


class Sampled(torch.autograd.Function):
    """Counts at log rates u (B, K) after an update, with the keys of `unrolling`."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, update: int, unrolling: Unrolling) -> Tensor:
        rates = u.detach().contiguous().numpy()
        z, slope = np.empty_like(rates), np.empty_like(rates)
        number = rates.dtype.type
        relaxation = kernel.Relaxation(
            number(1),
            number(unrolling.temperature),
            number(unrolling.cutoff),
            unrolling.relaxation == "cubic",
        )
        sample = kernel.Sample(z, slope, np.empty(len(rates), np.int64))
        kernel.sample_rows(0, len(rates), unrolling.keys[update], relaxation, rates, sample)
        ctx.save_for_backward(torch.from_numpy(slope))
        return torch.from_numpy(z)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0] * ctx.saved_tensors[0], None, None
