"""`ipvae-snn verify`: exit 0 only if all back ends equal the reference in counts and states."""

from typing import Final

from ipvae_snn.cli.command import examples
from ipvae_snn.cli.options import (
    BackendsOption,
    DataOption,
    DataRootOption,
    JsonOption,
    LimitOption,
    NetworkArgument,
    QuietOption,
    SeedOption,
    SplitOption,
    StepsOption,
    ThreadsOption,
    VerboseOption,
    WhiteOption,
    listed,
)
from ipvae_snn.cli.terminal import Limits, Screen

EXAMPLES: Final = examples(
    "verify net.safetensors --data digits",
    "verify net.safetensors --data digits --backends compiled,onnx",
)


def verify(
    network: NetworkArgument,
    data: DataOption,
    backends: BackendsOption = "compiled,torch,onnx,lava",
    limit: LimitOption = 20,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    white: WhiteOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Compare back ends spike by spike; report the first image, step and neuron that differ."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(threads=threads)) as progress:
        from ipvae_snn.workflows import verify as workflow

        images = workflow.ImageChoice(data, split, limit, data_root, white)
        request = workflow.RunRequest(steps, seed)
        result = workflow.verify_file(network, images, request, listed(backends), progress)
    screen.deliver(result)
    result.require_equal()
