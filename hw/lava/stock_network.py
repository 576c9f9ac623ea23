"""Timing of a bare LIF - Dense - LIF network of stock Lava Processes, as a baseline.

Runs in the Lava environment, under a guard (guard.py), and prints one line of JSON:

    python -I stock_network.py --sources 512 --targets 512 --steps 4000 --active 0.25

It uses nothing of this package except the guard's names for shared memory. The neurons are Lava's
defaults in fixed point. In the first population, twice the requested share of neurons is driven by
bias to fire at every second time step: half of them at odd and half at even ones.
"""

import argparse
import importlib.util
import json
import time
from pathlib import Path
from typing import Any

THRESHOLD = 10  # of both populations; 640 in the units of the membrane potential
DRIVE = (THRESHOLD << 6) // 2 + 1  # reaches it at every second time step
WEIGHT_LIMIT = 120


def name_what_it_makes() -> None:
    """Let the guard identify the shared memory and processes of this run."""
    spec = importlib.util.spec_from_file_location(
        "child", Path(__file__).parent / "bundle" / "simulator" / "child.py"
    )
    assert spec is not None
    assert spec.loader is not None
    child = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(child)
    child.under_guard()


def build(sources: int, targets: int, active: float, message_bits: int, seed: int) -> Any:
    """Return the first population of the network, connected."""
    import numpy as np
    from lava.proc.dense.process import Dense
    from lava.proc.lif.process import LIF

    rng = np.random.default_rng(seed)
    driven = np.arange(sources) < round(2 * active * sources)
    bias = np.where(driven, DRIVE, 0)
    phase = np.where(driven & (rng.random(sources) < 0.5), DRIVE, 0)  # those that fire at odd steps
    first = LIF(shape=(sources,), vth=THRESHOLD, du=4095, dv=0, bias_mant=bias, v=phase)
    weights = rng.integers(-WEIGHT_LIMIT, WEIGHT_LIMIT + 1, (targets, sources))
    dense = Dense(weights=weights, num_message_bits=message_bits)
    second = LIF(shape=(targets,), vth=THRESHOLD, du=4095, dv=0)
    first.s_out.connect(dense.s_in)
    dense.a_out.connect(second.a_in)
    return first


def main() -> None:
    """Build, run one time step, then time the others."""
    parser = argparse.ArgumentParser(description="Time a stock LIF - Dense - LIF network.")
    parser.add_argument("--sources", type=int, required=True)
    parser.add_argument("--targets", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True, help="time steps after the first")
    parser.add_argument("--active", type=float, required=True, help="share that fires, 0..0.5")
    parser.add_argument("--message-bits", type=int, default=0, help="0 as in Lava: spikes")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    name_what_it_makes()  # before numpy and lava
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg

    network = build(
        options.sources, options.targets, options.active, options.message_bits, options.seed
    )
    start = time.perf_counter()
    network.run(RunSteps(1), Loihi2SimCfg(select_tag="fixed_pt"))
    ready = time.perf_counter()
    network.run(RunSteps(options.steps))
    done = time.perf_counter()
    network.stop()
    result = {"start_up": ready - start, "seconds": done - ready, "time_steps": options.steps}
    print(json.dumps(result))  # noqa: T201 (a script's own output)


if __name__ == "__main__":
    main()
