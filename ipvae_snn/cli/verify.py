"""`ipvae-snn verify`: exit 0 only if all back ends equal the reference in counts and states."""

from ipvae_snn.cli.options import (
    BackendsOption,
    DataOption,
    DataRootOption,
    JsonOption,
    LimitOption,
    NetworkArgument,
    SeedOption,
    SplitOption,
    StepsOption,
    listed,
)
from ipvae_snn.cli.rendering import deliver
from ipvae_snn.cli.terminal import watching
from ipvae_snn.report.terminal import console


def verify(
    network: NetworkArgument,
    data: DataOption,
    backends: BackendsOption = "compiled,torch,onnx,lava",
    limit: LimitOption = 20,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare back ends spike by spike; report the first image, step and neuron that differ."""
    from ipvae_snn.workflows import verify as workflow

    images = workflow.ImageChoice(data, split, limit, data_root)
    request = workflow.RunRequest(steps, seed)
    with watching(console(quiet=as_json)) as line:
        result = workflow.verify_file(network, images, request, listed(backends), line.update)
    deliver(result, as_json)
    result.require_equal()
