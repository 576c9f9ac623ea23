"""A stand-in for a CUDA graph on the CPU: torch's operations, recorded once and run again.

As a graph does, a tape runs the same operations on the same memory, and nothing of Python: what a
function took from the host while it was recorded stays as it was. What a capture forbids, reading a
tensor on the host, copying to the device, or a shape that depends on data, is an error.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ipvae_snn.training.cuda_graphs import CaptureError

FORBIDDEN = {
    "_local_scalar_dense": "reads a tensor on the host",
    "lift_fresh": "copies from the host",
    "bincount": "has a shape that depends on data",
    "masked_select": "has a shape that depends on data",
    "nonzero": "has a shape that depends on data",
    "repeat_interleave": "has a shape that depends on data",
    "unique2": "has a shape that depends on data",
    "uniform_": "draws from a generator's state",
    "random_": "draws from a generator's state",
}


class Tape(TorchDispatchMode):
    """Records the operations of a block."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Any]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.name().removeprefix("aten::").split(".")[0]
        if name in FORBIDDEN:
            raise CaptureError(f"{name} {FORBIDDEN[name]}")
        result = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, tree_leaves(result)))
        return result

    def replay(self) -> None:
        """Run the operations again, with their results where they were."""
        for func, args, kwargs, results in self.operations:
            schema = func._schema
            if not schema.is_mutable and any(one.alias_info for one in schema.returns):
                continue  # a view, whose memory is written by other operations
            again = tree_leaves(func(*args, **kwargs))
            if schema.is_mutable:
                continue
            for kept, new in zip(results, again, strict=True):
                if isinstance(kept, Tensor):
                    assert kept.shape == new.shape
                    kept.copy_(new)


def taped(work: Callable[[], None]) -> Callable[[], None]:
    """Record the work, which runs once; a `cuda_graphs.Capture`."""
    work()  # as warm-up
    with Tape() as tape:
        work()
    return torch.no_grad()(tape.replay)
