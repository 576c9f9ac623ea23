"""README.md and check.npz of a folder of ONNX models: the call, and a check of a runtime."""

from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.export.onnx.models import Circuit
from ipvae_snn.export.self_check import IMAGES
from ipvae_snn.ir.trace import SATURATIONS, RunRequest, Trace
from ipvae_snn.storage.array_files import save_arrays

CHECK_FILE: Final = "check.npz"
# Each ran check.npz, and the tests run the pinned one; see constraints.txt for the pins.
RUNTIMES: Final = "ONNX Runtime 1.23.2 and 1.32.0 (CPU) and the reference evaluator of onnx 1.23.2"
README: Final = """# An iP-VAE spike-count network as ONNX models ({arithmetic} arithmetic)

M = {pixels} pixels ({shape}), K = {neurons} neurons, opset 21; N (images) and T (steps) are free.
Spike counts are drawn from the keyed generator Threefry-2x32-20, so a run with the same seed and
image indices gives {sameness}. {semantics}
Scales, limits and the source checkpoint are in each model's metadata (`ipvae_snn.*`).

- `inference.onnx`: pixels {pixel} (N, M) and the int64 scalars seed, first_image and steps ->
  counts_sum int64 (N, K), state {state} (N, K), spikes_per_step int64 (N, T), reconstruction
  float32 (N, M){saturated_steps}{scores}
- `encode.onnx`: pixels {pixel} (N, M) -> held {state} (N, {held}), state {state}
  (N, K){encode_scores}
- `step.onnx`: held, state, seed int64, image int64 (N,), step int64 -> counts int32 (N, K),
  next_state {state} (N, K){saturated}{step_scores}

```python
import numpy as np, onnxruntime as ort
load = lambda name: ort.InferenceSession(name + ".onnx", providers=["CPUExecutionProvider"])
x, i64 = np.zeros((1, {pixels}), np.{pixel}), lambda value: np.array(value, np.int64)
feed = dict(pixels=x, seed=i64(0), first_image=i64(0), steps=i64(64))
counts_sum, reconstruction = load("inference").run(["counts_sum", "reconstruction"], feed)
held, state{encoded} = load("encode").run(None, dict(pixels=x))
step, image = load("step"), np.arange(len(x), dtype=np.int64)
for t in range(64):  # the same, one step at a time
    feed = dict(held=held, state=state{fed}, seed=i64(0), image=image, step=i64(t))
    counts, state{stepped} = step.run(["counts", "next_state"{wanted}], feed)
```

`inference.onnx` shows one still image per row. For moving images run `encode.onnx` on each frame,
and go on with `step.onnx` from the state of the last frame, counting the steps on.

## Check your runtime

{exact} OpenVINO 2026.4.1 does not: it computes int64 with 32
bits, and its counts are wrong (those of an integer network are all zero). ONNX Runtime 1.29 and
later sends telemetry unless `ORT_DISABLE_TELEMETRY=1` is set before the import.

`check.npz` holds {images} images, their seed and steps, and the counts that must come out:

```python
import numpy as np, onnxruntime as ort
check = np.load("check.npz")
inputs = {{name: check[name] for name in ("pixels", "seed", "first_image", "steps")}}
session = ort.InferenceSession("inference.onnx", providers=["CPUExecutionProvider"])
counts = session.run(["counts_sum"], inputs)[0]  # or run it in your runtime
assert {condition}, "this runtime does not compute the network"
```
"""
SATURATED: Final = "; saturated int32 ({axes}): number of\n  saturated neurons, by " + ", ".join(
    SATURATIONS
)
SAMENESS: Final = {
    "integer": "the same counts on every runtime whose integers are exact",
    "float": "the same counts up to rounding errors of the runtime",
}
EXACT: Final = {
    "integer": f"{RUNTIMES} give exactly the interpreter's counts.",
    "float": f"{RUNTIMES} give float inference's counts, of which at most 1 in 1000 may differ.",
}
CONDITION: Final = {
    "integer": '(counts == check["counts_sum"]).all()',
    "float": 'abs(counts - check["counts_sum"]).sum() <= max(counts.size, counts.sum()) / 1000 + 1',
}
SEMANTICS: Final = {
    "integer": "All arithmetic up to the counts is on integers and exact;\n`docs/ir.md` of "
    "ipvae-snn specifies it, and only the reconstruction is scaled to float32 at the end.",
    "float": "The state is the log rate in nats;\ncounts are drawn in float64.",
}


# Of a network with a read-out: parts of the lists and of the code of README.
SCORES: Final = {
    "scores": "; scores int32 (N, T, {n}), of\n  classes after every step, and class int64 (N,), "
    "the label of the largest score after the last",
    "encode_scores": ", scores int32 (N, {n}), all 0",
    "step_scores": ";\n  scores int32 (N, {n}) too -> next_scores, and class int64 (N,), the label "
    "of the largest",
    "encoded": ", scores",
    "fed": ", scores=scores",
    "stepped": ", scores",
    "wanted": ', "next_scores"',
}


def readme(circuit: Circuit, kind: str, texts: dict[str, str]) -> str:
    """Return README.md of a circuit's models; kind: "integer" or "float"; texts: of the models."""
    return README.format(
        arithmetic=circuit.arithmetic,
        pixels=circuit.n_pixels,
        neurons=circuit.n_neurons,
        images=IMAGES,
        sameness=SAMENESS[kind],
        exact=EXACT[kind],
        condition=CONDITION[kind],
        semantics=SEMANTICS[kind],
        **_score_texts(circuit),
        **texts,
    )


def _score_texts(circuit: Circuit) -> dict[str, str]:
    """Return what a read-out adds to description and code; nothing where there is none."""
    n = len(circuit.labels)
    if not n:
        return dict.fromkeys(SCORES, "")
    return {name: text.format(n=n) for name, text in SCORES.items()}


def write_check(folder: Path, pixels: Array, request: RunRequest, expected: Trace) -> None:
    """Write the inputs of `inference.onnx` for a small run, and the results of `expected`."""
    arrays = {
        "pixels": pixels,
        "seed": np.int64(request.seed),
        "first_image": np.int64(request.first_image),
        "steps": np.int64(request.steps),
        "counts_sum": expected.counts_sum,
        "spikes_per_step": expected.spikes_per_step,
        "state": expected.state,
        **({} if expected.scores is None else {"scores": expected.scores}),
    }
    save_arrays(folder / CHECK_FILE, arrays)
