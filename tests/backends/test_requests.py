"""Every back end accepts the same requests, and refuses others with the same message."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.backends import compiled, torch_module, triton_circuit
from ipvae_snn.errors import DataError, ProgramError
from ipvae_snn.export.onnx import backend
from ipvae_snn.hw.lava import backend as lava
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.back_ends import registered
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.files import load_network, save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.prng import MAX_SEED, MAX_STEPS
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.ir.weights import Dense
from ipvae_snn.kernels.integer import advance_rows

Run = Callable[[IntegerNetwork, np.ndarray, RunRequest], Trace]
EQUAL: dict[str, Run] = {
    "compiled": compiled.run,
    "torch": torch_module.run,
    "onnx": backend.run,
    "onnx-reference": backend.run_reference,
}
ALL: dict[str, Run] = {
    **EQUAL, "reference": interpreter.run, "torch-cuda": torch_module.run_cuda, "lava": lava.run,
    "lava-fused": lava.run_fused, "triton": triton_circuit.run,
}  # fmt: skip

VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "backwards": lambda pixels: pixels[::-1],
    "mirrored": lambda pixels: pixels[:, ::-1],
    "every second": lambda pixels: pixels[::2],
    "by columns": np.asfortranarray,
    "repeated": lambda pixels: np.broadcast_to(pixels[1], pixels.shape),
    "read-only": lambda pixels: np.frombuffer(pixels.tobytes(), np.uint8).reshape(pixels.shape),
}


@pytest.mark.parametrize("view", VIEWS)
def test_any_view_of_images_is_taken(
    two_layer: IntegerNetwork, pixels_factory: Callable[..., np.ndarray], view: str
) -> None:
    pixels = VIEWS[view](pixels_factory(two_layer, 4))
    request = RunRequest(4, trace=True)
    expected = interpreter.run(two_layer, pixels, request)
    for name, run in EQUAL.items():
        assert first_divergence(expected, run(two_layer, pixels, request)) is None, name


def test_no_view_of_images_nor_a_file_makes_the_kernel_compile_again(
    two_layer: IntegerNetwork, pixels_factory: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    """It would take seconds: tables from a file can be written to, those in memory cannot."""
    pixels = pixels_factory(two_layer, 4)
    compiled.run(two_layer, pixels, RunRequest(2, trace=True))
    kinds = len(advance_rows.signatures)  # type: ignore[attr-defined] # numba's
    save_network(two_layer, tmp_path / "net.safetensors")
    for view in VIEWS.values():
        compiled.run(two_layer, view(pixels), RunRequest(2))
    compiled.run(load_network(tmp_path / "net.safetensors"), pixels, RunRequest(2))
    assert len(advance_rows.signatures) == kinds  # type: ignore[attr-defined] # numba's


@pytest.mark.parametrize(("steps", "fits"), [(2, True), (3, False), (0, False)])
def test_a_run_that_goes_on_stops_at_the_last_step(
    network: IntegerNetwork, steps: int, fits: bool
) -> None:
    prepared = compiled.prepare(network)
    late = replace(compiled.start(prepared, IMAGE), step=MAX_STEPS - 2)
    if fits:
        assert compiled.advance(prepared, late, steps).step == MAX_STEPS
        return
    message = f"^{steps} steps from step 1048574 leave 1..1048576$"
    with pytest.raises(DataError, match=message):
        compiled.advance(prepared, late, steps)


IMAGE = np.zeros((2, 12), np.uint8)
REFUSED = {
    "the network takes uint8 images of 4x3 as (N, 12), or (N, frames, 12), not uint8(2, 4, 3)": (
        IMAGE.reshape(2, 4, 3), RunRequest(1)
    ),
    "the network takes uint8 images of 4x3 as (N, 12), or (N, frames, 12), not int64(2, 12)": (
        IMAGE.astype(np.int64), RunRequest(1)
    ),
    "there are no images to run; give one or more": (IMAGE[:0], RunRequest(1)),
    "steps 1048577 are not in 1..1048576": (IMAGE, RunRequest(MAX_STEPS + 1)),
    "seed 4294967296 is not in 0..4294967295": (IMAGE, RunRequest(1, MAX_SEED + 1)),
    "images 4294967295..4294967296 are not all in 0..4294967295; their draws are keyed by 32 bits":
        (IMAGE, RunRequest(1, first_image=MAX_SEED)),
    "images -1..0 are not all in 0..4294967295; their draws are keyed by 32 bits": (
        IMAGE, RunRequest(1, first_image=-1)
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused_in_the_same_words_everywhere(
    network: IntegerNetwork, message: str
) -> None:
    """Before a device or an environment is looked for."""
    assert ALL.keys() >= registered().keys()  # a new back end joins these tests
    for run in ALL.values():
        with pytest.raises(DataError) as caught:
            run(network, *REFUSED[message])
        assert str(caught.value) == message


@pytest.mark.parametrize("which", ["feedforward", "lateral", "prediction"])
def test_a_weight_of_minus_128_is_refused(
    network: IntegerNetwork, two_layer: IntegerNetwork, which: str
) -> None:
    integer = two_layer if which == "prediction" else network
    layer = integer.residual
    connection = layer.prediction if layer else getattr(integer, which)
    weights = connection.matrix.copy()
    weights[1, 0] = -128
    message = "^weights reach -128; a symmetric int8 stops at -127$"
    with pytest.raises(ProgramError, match=message):
        replace(connection, weights=Dense(weights))
