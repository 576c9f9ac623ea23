"""Data-parallel training: each process's rows of a batch, and the sum of gradients.

PyTorch's launcher `torchrun` starts the processes and gives each its rank in the environment. They
communicate through gloo on the CPU, through NCCL on CUDA.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from ipvae_snn.errors import ConfigError


@dataclass(frozen=True)
class Processes:
    """Rank of this process, and the number `count` of processes."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """True for the process that writes the files and shows progress."""
        return self.rank == 0

    def rows(self, n_rows: int) -> slice:
        """Return this process's rows of a batch of n_rows, in equal shares."""
        if n_rows < self.count:
            raise ConfigError(
                f"a batch of {n_rows} images cannot be shared by {self.count} processes; raise "
                "train.batch_size, or start fewer"
            )
        return slice(n_rows * self.rank // self.count, n_rows * (self.rank + 1) // self.count)

    def total(self, values: Sequence[Tensor]) -> list[Tensor]:
        """Return the sum of each tensor over all processes, in one exchange."""
        if self.count == 1:
            return list(values)
        flat = torch.cat([value.reshape(-1) for value in values])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [value.numel() for value in values])
        return [part.reshape(value.shape) for part, value in zip(parts, values, strict=True)]

    def wait(self) -> None:
        """Wait until all processes have reached this call."""
        if self.count > 1:
            distributed.barrier()


def launched(environment: Mapping[str, str] = os.environ) -> Processes:
    """Return the rank and count that `torchrun` set; a single process without it."""
    if "WORLD_SIZE" not in environment or "RANK" not in environment:
        return Processes()
    return Processes(int(environment["RANK"]), int(environment["WORLD_SIZE"]))


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Connect the processes that `torchrun` started, for the time of the block."""
    place = launched()
    if place.count == 1:
        yield place
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield place
    finally:
        distributed.destroy_process_group()
