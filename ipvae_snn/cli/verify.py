"""`ipvae-snn verify`: exit 0 only if all back ends equal the reference in counts and states."""

from typing import Final

from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Limits, Screen

EXAMPLES: Final = examples(
    "verify net.safetensors --data digits",
    "verify net.safetensors --data digits --frames 8 --backends onnx",
)


def verify(
    network: opt.NetworkArgument,
    data: opt.DataOption,
    backends: opt.BackendsOption = "compiled,torch,onnx,lava",
    limit: opt.LimitOption = 20,
    frames: opt.FramesOption = None,
    motion: opt.MotionOption = None,
    steps: opt.StepsOption = 64,
    seed: opt.SeedOption = 0,
    decode: opt.DecodeOption = None,
    stop: opt.StopOption = None,
    threads: opt.ThreadsOption = None,
    split: opt.SplitOption = "test",
    data_root: opt.DataRootOption = None,
    white: opt.WhiteOption = None,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Compare back ends spike by spike; report the first image, step and neuron that differ."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(threads=threads)) as progress:
        from ipvae_snn.workflows import verify as workflow

        images = workflow.ImageChoice(data, split, limit, data_root, white)
        request = workflow.RunRequest(steps, seed)
        asked = workflow.motion_of(frames, motion)
        decoding = workflow.asked_decoding(decode)
        target = workflow.asked_stop(stop)
        result = workflow.verify_file(
            network, images, request, opt.listed(backends), progress, asked, decoding, target
        )
    screen.deliver(result)
    result.require_equal()
