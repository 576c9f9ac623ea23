"""Relaxed counts of a fixed number of arrivals, by torch's operations on a key in a tensor."""

import torch
from torch import Tensor

from ipvae_snn.models.relaxations import SIGMOID, Relaxation

ARRIVALS = 12
WORD = (1 << 31) - 1


class KeyedDraws:
    """A `cuda_graphs.Draws` for tests, on any device; arrivals after the twelfth are left out."""

    def __init__(self, dtype: torch.dtype = torch.float32, law: Relaxation = SIGMOID) -> None:
        self.law = law
        self.seed = torch.zeros((), dtype=torch.int64)
        self.temperature, self.most = (torch.zeros((), dtype=dtype) for _ in range(2))

    def prepare(self, seed: int, temperature: float) -> None:
        self.seed.fill_(seed & WORD)
        self.temperature.fill_(temperature)
        self.most.zero_()

    def sample(self, u: Tensor, number: int) -> Tensor:
        counter = torch.arange(ARRIVALS * u.numel()).view(ARRIVALS, *u.shape) + 7919 * number
        bits = self.seed + counter
        for _ in range(3):
            bits = ((bits ^ (bits >> 15)) * 739_982_445 + 1) & WORD
        uniform = (bits >> 8).to(u.dtype) / (1 << 23)
        times = torch.cumsum(-torch.log1p(-uniform) * torch.exp(-u), 0)
        horizon = 1.0 + self.law.cutoff * self.temperature
        with torch.no_grad():
            drawn = (times <= horizon).sum(0).to(u.dtype).mean()
            torch.maximum(self.most, drawn, out=self.most)
        return self.law.counts(times, self.temperature)[0].sum(0)

    def arrivals(self) -> float:
        return float(self.most)
