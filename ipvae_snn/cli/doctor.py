"""`ipvae-snn doctor`: versions, back ends, data sets, and remedies for what is missing."""

from ipvae_snn.cli.options import DataRootOption, JsonOption
from ipvae_snn.cli.rendering import deliver


def doctor(data_root: DataRootOption = None, as_json: JsonOption = False) -> None:
    """Report versions, back ends and data sets, with a remedy for what is missing."""
    from ipvae_snn.workflows import doctor as workflow

    deliver(workflow.diagnose(data_root), as_json)
