"""`ipvae-snn doctor`: versions, back ends, data sets, and remedies for what is missing."""

from typing import Final

from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Screen

EXAMPLES: Final = examples("doctor", "doctor --data-root ~/data --json")


def doctor(
    data_root: opt.DataRootOption = None,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Report versions, back ends and data sets, with a remedy for what is missing."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working() as progress:
        from ipvae_snn.workflows import doctor as workflow

        result = workflow.diagnose(data_root, progress)
    screen.deliver(result)
