"""What every back end returns: the spike counts, states and reconstructions of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ipvae_snn.atomic import atomic_path

# What can saturate in a step, and in which layer: spike counts at max_count, what a neuron receives
# apart from its own self-inhibition, the update's lower clamp, the membrane potential's upper one,
# and the residual neurons of a two-layer circuit.
SATURATIONS: Final = ("count", "excitation", "inhibition", "potential", "residual")


@dataclass(frozen=True)
class RunRequest:
    """How to run: `steps` T >= 1, `seed` and `first_image` in [0, 2**32), keep the trace or not.

    Image n of a run draws its uniforms under the index first_image + n, so a part of a data set
    gives the counts that the whole would.
    """

    steps: int
    seed: int = 0
    first_image: int = 0
    trace: bool = False


@dataclass(frozen=True)
class Trace:
    """Result of N images over T steps with K neurons and M pixels.

    counts_sum (N, K) int64: spike counts summed over the steps.
    state (N, K): membrane potential after the last step's update; int32 in units of
        2**-fraction_bits octaves for integer back ends, float64 in nats for the float one.
    spikes_per_step (N, T) int64: spikes of all neurons in each step.
    reconstruction (N, M) float32: the decoder applied to the last step's spike counts.
    saturated (N, T, 5) int32: neurons that saturated in each step, by SATURATIONS; None where a
        back end does not count them, or cannot (float).
    counts (N, T, K) int32 and states (N, T, K): with `--trace` only; states[:, t] is the
        membrane potential after the update of step t, counts[:, t] was drawn before it.
    """

    counts_sum: npt.NDArray[np.int64]
    state: npt.NDArray[np.int32] | npt.NDArray[np.float64]
    spikes_per_step: npt.NDArray[np.int64]
    reconstruction: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int32] | None = None
    states: npt.NDArray[np.int32] | npt.NDArray[np.float64] | None = None
    saturated: npt.NDArray[np.int32] | None = None

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the arrays that are present, by field name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def save(self, path: Path) -> None:
        """Write the arrays to `path` as a compressed npz, whole or not at all."""
        save_arrays(path, self.arrays())


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name to `path` as a compressed npz, whole or not at all."""
    packed = BytesIO()  # numpy < 2 prints a traceback if savez itself meets a full disk
    np.savez_compressed(packed, **arrays)
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed.getbuffer())
