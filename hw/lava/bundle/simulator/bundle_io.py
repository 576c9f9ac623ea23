"""Files of a bundle: read the network and the images, write the result; needs NumPy only.

An exported bundle contains a copy, so this module imports nothing of ipvae_snn.
"""

import hashlib
import math
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .files import Array, map_npy, naming, read_json, read_npz, require_file
from .files import InputError as InputError  # used as bundle_io.InputError
from .output import put_in_place
from .rules import check

FORMAT, VERSION = "ipvae-snn/plain-network", 2
MAX_SEED = (1 << 32) - 1
MAX_STEPS = 1 << 20
MAX_TIME_STEPS = (1 << 31) - 1  # Lava counts time steps in 32 bits
MAX_REPLICAS = 64
ROWS_AT_ONCE = 64  # images decoded together


@dataclass(frozen=True)
class Network:
    """The integer network: tensors by name and scalars, as docs/ir.md lists them."""

    arrays: Mapping[str, Array]
    scalars: Mapping[str, Any]

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return int(self.arrays["feedforward.weights"].shape[0])

    @property
    def two_layer(self) -> bool:
        """True if residual neurons compare the image with the prediction from the counts."""
        return self.scalars["residual_limit"] is not None

    @property
    def stride(self) -> int:
        """Time steps per step: one for each synapse on the way back to a neuron."""
        return 2 if self.two_layer else 1

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return int(self.arrays["feedforward.weights"].shape[1])


@dataclass(frozen=True)
class Request:
    """Options of a run: T steps per image; image n has the index first_image + n.

    trace: keep the counts and potentials of every step; monitor: those of these neurons only.
    source: the image comes as graded "spikes", or as "bias" that the host sets. fused: the network
    is one operating-system process, which is faster, instead of one per population and connection.
    replicas: copies of the network that share the images, in one run.
    """

    steps: int
    seed: int
    first_image: int
    trace: bool
    monitor: tuple[int, ...] = ()
    source: str = "spikes"
    fused: bool = False
    replicas: int = 1


def read_network(folder: Path) -> Network:
    """Return the network in `folder`; InputError if it is missing, newer, or breaks a rule."""
    with naming(f"{folder}: no readable network", "export the bundle again"):
        description = read_json(folder / "network.json")
        named, version = str(description["format"]), description["version"]
        if named != FORMAT or version != VERSION:
            raise InputError(
                f"network.json: format {named[:40]!r}, version {str(version)[:40]}, but this "
                f"bundle runs {FORMAT!r}, version {VERSION}; export the bundle again"
            )
        require_file(folder / "network.npz")
        digest = hashlib.sha256((folder / "network.npz").read_bytes()).hexdigest()
        if description["sha256"]["network.npz"] != digest:
            raise InputError(
                "network.npz: not the file that network.json was written with (its SHA-256 "
                "differs); export the bundle again"
            )
        arrays = read_npz(folder / "network.npz")
        check(arrays, description["program"])
    return Network(arrays, description["program"])


def read_images(path: Path, network: Network, limit: int | None) -> npt.NDArray[np.uint8]:
    """Return the images (N, M) uint8 of a .npy file, memory-mapped, not loaded."""
    with naming(f"{path}: no readable .npy file", "give images that numpy.save wrote"):
        images = map_npy(path)
    shape = tuple(network.scalars["input"]["image_shape"])
    wanted = ((math.prod(shape),), shape)
    if images.dtype != np.uint8:
        raise InputError(
            f"{path}: {images.dtype}, but the network takes uint8 pixels, 0..255, in a .npy"
        )
    if images.ndim < 2 or images.shape[1:] not in wanted or len(images) == 0:
        raise InputError(
            f"{path}: {images.shape}, but the network takes (N, {math.prod(shape)}) or "
            f"(N, {', '.join(map(str, shape))}) with N >= 1"
        )
    if limit is not None:
        images = images[:limit]
    return images.reshape(len(images), -1)


def check_request(request: Request, n_images: int, network: Network) -> None:
    """Raise InputError if an option is outside its limits."""
    limits = (
        ("--steps", request.steps, 1, MAX_STEPS),
        ("--seed", request.seed, 0, MAX_SEED),
        ("--replicas", request.replicas, 1, MAX_REPLICAS),
        ("--first-image", request.first_image, 0, MAX_SEED + 1 - n_images),
        ("time steps in all", n_images * time_steps(request, network), 1, MAX_TIME_STEPS),
        ("--monitor", min(request.monitor, default=0), 0, network.n_neurons - 1),
        ("--monitor", max(request.monitor, default=0), 0, network.n_neurons - 1),
    )
    for name, value, least, most in limits:
        if not least <= value <= most:
            raise InputError(f"{name} {value} is not in {least}..{most}")


def time_steps(request: Request, network: Network) -> int:
    """Return the number of time steps of one presentation."""
    return network.stride * request.steps + 2


def default_timeout(n_images: int, steps: int, n_neurons: int, n_pixels: int) -> float:
    """Return a time limit in seconds: ten times the time measured on a slow, busy machine."""
    a_step = 5e-3 + 2e-8 * n_neurons * (n_neurons + n_pixels)
    return 60.0 + n_images * (steps + 2) * a_step


def held_values(network: Network, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Return the host's values for images (N, M): input currents (N, K), or payloads (N, M)."""
    zero_point = np.int32(network.scalars["input"]["zero_point"])
    if network.two_layer:
        return images.astype(np.int32) - zero_point
    arrays = network.arrays
    # Sums are proved to fit 24 bits, so they are exact in float64, and BLAS is fast.
    weights = arrays["feedforward.weights"].T.astype(np.float64)
    shift = arrays["feedforward.shift"].astype(np.int64)
    half = np.left_shift(np.int64(1), shift - 1)
    currents = np.empty((len(images), network.n_neurons), np.int32)
    for start in range(0, len(images), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        payload = images[rows].astype(np.float64) - float(zero_point)
        total = (payload @ weights).astype(np.int64)
        scaled = (total * arrays["feedforward.multiplier"] + half) >> shift
        currents[rows] = scaled + arrays["neurons.bias"]
    return currents


def make_files(
    folder: Path, n_images: int, network: Network, request: Request
) -> dict[str, npt.NDArray[Any]]:
    """Create the run's files in `folder`; return them memory-mapped. OSError if the disk is full.

    traffic_*: messages, synaptic operations, and those by payload, per image and connection.
    """
    n, t, k = n_images, request.steps, network.n_neurons
    layout: dict[str, tuple[tuple[int, ...], type[np.signedinteger[Any]]]] = {
        "progress": ((request.replicas + 4,), np.int64),
        "counts_sum": ((n, k), np.int64),
        "state": ((n, k), np.int32),
        "spikes_per_step": ((n, t), np.int64),
        "last_counts": ((n, k), np.int32),
        "saturated": ((n, t, 5), np.int32),
    }
    connections = ["prediction", "feedforward"] if network.two_layer else ["lateral"]
    if request.source == "spikes":
        connections.append("image" if network.two_layer else "feedforward")
    layout |= {f"traffic_{name}": ((n, 3), np.int64) for name in connections}
    if network.two_layer:
        layout["residual_saturated"] = ((n, t), np.int32)
    if request.trace:
        layout |= {"counts": ((n, t, k), np.int32), "states": ((n, t, k), np.int32)}
    if request.monitor:
        c = len(request.monitor)
        layout |= {"monitor": ((c,), np.int64)}
        layout |= {f"monitor_{name}": ((n, t, c), np.int32) for name in ("counts", "states")}
    files: dict[str, npt.NDArray[Any]] = {}
    for name, (shape, dtype) in layout.items():
        path = folder / f"{name}.npy"
        files[name] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        with path.open("r+b") as handle:
            # Allocate the space now: on a full disk a write to mapped memory raises SIGBUS.
            os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)
    if request.monitor:
        files["monitor"][:] = request.monitor
    return files


def decode(network: Network, counts: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """Return the reconstruction (N, M): exact integer sums, rounded and scaled once."""
    weights = network.arrays["decoder.weights"].astype(np.int64).T
    image = np.empty((len(counts), network.n_pixels), dtype=np.float32)
    for start in range(0, len(counts), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        image[rows] = (counts[rows].astype(np.int64) @ weights).astype(np.float32)
        image[rows] *= network.arrays["decoder.scale"]
    return image


def write_result(
    path: Path, arrays: Mapping[str, Array], compression: int = zipfile.ZIP_DEFLATED
) -> None:
    """Write the arrays to `path` as an npz, whole or not at all; links are followed."""
    path = Path(os.path.realpath(path))
    # Our process id in the name lets the guard find the remains of a killed writer.
    prefix = f".{path.name}.{os.getpid()}."
    handle, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            # Like np.savez_compressed, which before numpy 2 leaves its archive open on an error:
            # on a full disk its destructor would print a traceback.
            with zipfile.ZipFile(file, "w", compression) as archive:
                for key, array in arrays.items():
                    with archive.open(f"{key}.npy", "w", force_zip64=True) as entry:
                        np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        put_in_place(Path(name), path)
    finally:
        Path(name).unlink(missing_ok=True)
