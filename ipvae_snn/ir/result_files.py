"""Results of runs (npz) read back, with every rule of a `Trace` that a file can break."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.arrays import AnyArray
from ipvae_snn.errors import FileFormatError, shortened
from ipvae_snn.ir.trace import SATURATIONS
from ipvae_snn.storage.array_reading import read_npz_all
from ipvae_snn.storage.source_files import require_regular

NEEDED: Final = ("counts_sum", "spikes_per_step")
MAX_COUNT_SUM: Final = 1 << 40  # far above any run; sums of such numbers stay within 64 bits
# Axes of each array: N images, T steps, K neurons, M pixels, S kinds of saturation, C scores.
AXES: Final[Mapping[str, str]] = {
    "counts_sum": "NK",
    "spikes_per_step": "NT",
    "state": "NK",
    "reconstruction": "NM",
    "counts": "NTK",
    "states": "NTK",
    "saturated": "NTS",
    "scores": "NTC",
    "steps_taken": "N",
}
# Of moving images, with F frames.
MOVING: Final[Mapping[str, str]] = {"reconstruction": "NFM"}
COUNTS: Final = ("counts_sum", "spikes_per_step", "counts", "saturated", "steps_taken")


def read_result(path: Path) -> dict[str, AnyArray]:
    """Return the arrays of a result that `ipvae-snn run` or a bundle wrote, by name.

    Arrays of a `Trace` (see there for shapes) fit each other; counts are whole numbers from 0 up;
    all numbers are finite. Raises FileFormatError where this does not hold, and for files that are
    missing, damaged or something else.
    """
    require_regular(path)
    arrays: dict[str, AnyArray] = {**read_npz_all(path)}
    missing = [name for name in NEEDED if name not in arrays]
    if missing:
        raise FileFormatError(
            f"{path}: it has no {' and no '.join(missing)}; give what `ipvae-snn run` wrote"
        )
    for name, array in arrays.items():
        _check_numbers(f"{path}: {shortened(name, 60)}", array, name in COUNTS)
    _check_axes(path, arrays)
    _check_sums(path, arrays)
    return arrays


def _check_numbers(subject: str, array: AnyArray, counts: bool) -> None:
    kinds = "iu" if counts else "biuf"
    if array.dtype.kind not in kinds:
        wanted = "whole numbers" if counts else "numbers"
        raise FileFormatError(f"{subject} holds {array.dtype}, not {wanted}; run it again")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise FileFormatError(f"{subject} holds values that are not finite; run it again")
    if counts and array.size and not 0 <= array.min() <= array.max() <= MAX_COUNT_SUM:
        raise FileFormatError(
            f"{subject} holds {array.min()}..{array.max()}, but counts are 0..{MAX_COUNT_SUM}; "
            "run it again"
        )


def _check_axes(path: Path, arrays: Mapping[str, AnyArray]) -> None:
    sizes = {"S": len(SATURATIONS)}
    for name, axes in AXES.items():
        if name not in arrays:
            continue
        shape = arrays[name].shape
        axes = MOVING.get(name, axes) if len(shape) > len(axes) else axes
        fits = len(shape) == len(axes) and all(
            size == sizes.setdefault(axis, size) for axis, size in zip(axes, shape, strict=True)
        )
        if not fits or 0 in shape:
            known = ", ".join(f"{axis}={size}" for axis, size in sizes.items() if axis in axes)
            raise FileFormatError(
                f"{path}: {name} has shape {shape}, but it needs ({', '.join(axes)}), none of them "
                f"0{f', with {known}' if known else ''}; run it again"
            )


def _check_sums(path: Path, arrays: Mapping[str, AnyArray]) -> None:
    """Check that counts, their sums over steps and those over neurons agree.

    A float network may have several updates per step, each with its own counts: all are in the
    sums, and the last ones are in counts.
    """
    total, per_step = arrays["counts_sum"], arrays["spikes_per_step"]
    agree = np.array_equal(total.sum(axis=1), per_step.sum(axis=1))
    if "counts" in arrays:
        single = arrays["state"].dtype.kind == "i" if "state" in arrays else False
        fits = np.equal if single else np.less_equal
        counts = arrays["counts"]
        agree &= bool(fits(counts.sum(axis=1, dtype=np.int64), total).all())
        agree &= bool(fits(counts.sum(axis=2, dtype=np.int64), per_step).all())
    if not agree:
        raise FileFormatError(
            f"{path}: its counts do not add up to each other; the file was altered, run it again"
        )
