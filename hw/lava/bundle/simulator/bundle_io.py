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
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .decoding import decoding_of, window_of
from .files import Array, map_npy, naming, read_json, read_npz, require_file
from .files import InputError as InputError  # used as bundle_io.InputError
from .output import put_in_place
from .processes.graph import IMAGE, Graph, graph_of
from .processes.matrices import matrix_of
from .rules import check

FORMAT, VERSIONS = "ipvae-snn/plain-network", (3, 4)
MAX_SEED = (1 << 32) - 1
MAX_STEPS = 1 << 20
MAX_TIME_STEPS = (1 << 31) - 1  # Lava counts time steps in 32 bits
MAX_REPLICAS = 64
ROWS_AT_ONCE = 64  # images whose input currents are computed together


@dataclass(frozen=True)
class Network:
    """The integer network: tensors by name and scalars, as docs/ir.md lists them."""

    arrays: Mapping[str, Array]
    scalars: Mapping[str, Any]

    @cached_property
    def graph(self) -> Graph:
        """Populations and connections."""
        return graph_of(self.arrays, self.scalars)

    @property
    def n_neurons(self) -> int:
        """Number of neurons K that compute."""
        return sum(one.size for one in self.graph.of_role("computes"))

    @property
    def n_scores(self) -> int:
        """Number of accumulators."""
        return sum(one.size for one in self.graph.of_role("accumulates"))

    @property
    def n_stateful(self) -> int:
        """Number of populations with a state."""
        return len(self.graph.of_role("computes", "accumulates"))

    @property
    def stride(self) -> int:
        """Time steps per step: one for each synapse on the longest way back to a neuron."""
        return self.graph.stride

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return math.prod(self.scalars["input"]["image_shape"])

    def matrix(self, name: str) -> Array:
        """Return the weights of a connection, or of the decoder, as a matrix."""
        decodes = name == "decoder"
        given = self.scalars["decoder"] if decodes else self.connections[name]
        return matrix_of(self.arrays, name, given["weights"])

    @property
    def connections(self) -> dict[str, Mapping[str, Any]]:
        """Scalars of the connections by name."""
        return {one["name"]: one for one in self.scalars["connections"]}


@dataclass(frozen=True)
class Request:
    """Options of a run: T steps per image or frame; image n has the index first_image + n.

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
        if named != FORMAT or version not in VERSIONS:
            raise InputError(
                f"network.json: format {named[:40]!r}, version {str(version)[:40]}, but this "
                f"bundle runs {FORMAT!r}, version {' or '.join(map(str, VERSIONS))}; export the "
                "bundle again"
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
    """Return the images (N, F, M) uint8 of a .npy file, memory-mapped, not loaded.

    Still images have one frame.
    """
    with naming(f"{path}: no readable .npy file", "give images that numpy.save wrote"):
        images = map_npy(path)
    shape = tuple(network.scalars["input"]["image_shape"])
    m = math.prod(shape)
    wanted = ((m,), shape)
    if images.dtype != np.uint8:
        raise InputError(
            f"{path}: {images.dtype}, but the network takes uint8 pixels, 0..255, in a .npy"
        )
    still = images.shape[1:] in wanted
    if images.ndim < 2 or not (still or images.shape[2:] in wanted) or 0 in images.shape:
        raise InputError(
            f"{path}: {images.shape}, but the network takes (N, {m}) or "
            f"(N, {', '.join(map(str, shape))}) with N >= 1, or moving images with a second axis "
            "of frames"
        )
    if limit is not None:
        images = images[:limit]
    return images.reshape(len(images), 1 if still else images.shape[1], m)


def read_labels(path: Path | None, network: Network, n_images: int) -> Array | None:
    """Return the labels (N,) of a .npy file, whole numbers; None without a file."""
    if path is None:
        return None
    with naming(f"{path}: no readable .npy file", "give labels that numpy.save wrote"):
        labels = map_npy(path)[:n_images]
    if not network.n_scores:
        raise InputError("--labels: this network has no read-out that names classes; leave it out")
    if labels.dtype.kind not in "iu" or labels.shape != (n_images,):
        raise InputError(
            f"{path}: {labels.dtype}{labels.shape}, but {n_images} images need as many whole "
            "numbers (N,)"
        )
    return np.array(labels)


def check_request(request: Request, shape: tuple[int, ...], network: Network) -> None:
    """Raise InputError if an option is outside its limits; shape: (N, F) images and frames."""
    n_images, frames = shape[:2]
    limits = (
        ("--steps", request.steps, 1, MAX_STEPS),
        ("steps of all frames", frames * request.steps, 1, MAX_STEPS),
        ("--seed", request.seed, 0, MAX_SEED),
        ("--replicas", request.replicas, 1, MAX_REPLICAS),
        ("--first-image", request.first_image, 0, MAX_SEED + 1 - n_images),
        ("time steps in all", n_images * time_steps(request, network, frames), 1, MAX_TIME_STEPS),
        ("--monitor", min(request.monitor, default=0), 0, network.n_neurons - 1),
        ("--monitor", max(request.monitor, default=0), 0, network.n_neurons - 1),
    )
    for name, value, least, most in limits:
        if not least <= value <= most:
            raise InputError(f"{name} {value} is not in {least}..{most}")
    if request.source == "bias" and network.graph.held_by is None:
        raise InputError(
            f"--source bias: the image reaches {', '.join(network.graph.shown) or 'nothing'}, but "
            "the host can write to one population only; leave it out"
        )


def time_steps(request: Request, network: Network, frames: int = 1) -> int:
    """Return the number of time steps of one presentation."""
    return network.stride * frames * request.steps + 2


def default_timeout(n_images: int, steps: int, n_neurons: int, n_pixels: int) -> float:
    """Return a time limit in seconds: ten times the time measured on a slow, busy machine."""
    a_step = 5e-3 + 2e-8 * n_neurons * (n_neurons + n_pixels)
    return 60.0 + n_images * (steps + 2) * a_step


def held_values(network: Network, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Return the host's values for images (N, F, M): input currents (N, F, n), or payloads.

    They are those of the population that the image reaches.
    """
    zero_point = np.int32(network.scalars["input"]["zero_point"])
    one, arrays = network.graph.held_by, network.arrays
    if one is None or one.role == "relays":
        return images.astype(np.int32) - zero_point
    currents = np.zeros((*images.shape[:2], one.size), np.int32)
    currents += arrays.get(f"{one.name}.bias", np.int32(0))
    for name in (each.name for each in network.graph.into(one.name) if each.source == IMAGE):
        # Sums are proved to fit 24 bits, so they are exact in float64, and BLAS is fast.
        weights = network.matrix(name).T.astype(np.float64)
        shift = arrays[f"{name}.shift"].astype(np.int64)
        half = np.left_shift(np.int64(1), shift - 1)
        for start in range(0, len(images), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            payload = images[rows].astype(np.float64) - float(zero_point)
            total = (payload @ weights).astype(np.int64)
            currents[rows] += ((total * arrays[f"{name}.multiplier"] + half) >> shift).astype("i4")
    return currents


def make_files(
    folder: Path, shape: tuple[int, ...], network: Network, request: Request
) -> dict[str, npt.NDArray[Any]]:
    """Create the run's files in `folder`; return them memory-mapped. OSError if the disk is full.

    shape: (N, F) images and frames. traffic_*: messages, synaptic operations, and those by payload,
    per image and connection.
    """
    n, frames = shape[:2]
    t, k, graph = frames * request.steps, network.n_neurons, network.graph
    parts = request.replicas * network.n_stateful
    layout: dict[str, tuple[tuple[int, ...], type[np.signedinteger[Any]]]] = {
        "progress": ((parts + 4,), np.int64),
        "counts_sum": ((n, k), np.int64),
        "state": ((n, k), np.int32),
        "spikes_per_step": ((n, t, len(graph.of_role("computes"))), np.int64),
        "window": ((1,), np.int64),
        "added": ((n, frames, k), np.int32),
        "saturated": ((n, t, len(graph.populations), 5), np.int32),
    }
    spikes = request.source == "spikes"
    names = [one.name for one in graph.connections if spikes or one.source != IMAGE]
    names += [IMAGE] if spikes and graph.relays else []
    layout |= {f"traffic_{name}": ((n, 3), np.int64) for name in names}
    if decoding_of(network.scalars)[0] == "map":
        layout["last_states"] = ((n, frames, k), np.int32)
    if network.n_scores:
        layout["scores"] = ((n, t, network.n_scores), np.int32)
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
    files["window"][:] = window_of(network.scalars, request.steps)
    if request.monitor:
        files["monitor"][:] = request.monitor
    return files


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
