"""Networks that were trained on moving images: what they saw, and a warning if images are still."""

import warnings
from typing import Final

from ipvae_snn.data.sequences import Moving
from ipvae_snn.errors import DataWarning
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import TRAINED_FRAMES, FloatNetwork
from ipvae_snn.models.networks import Network

STEPS_PER_FRAME: Final = 16


def trained_moving(network: Network) -> Moving | None:
    """Return the frames that a network was trained on, None for still images.

    An integer network has them in its provenance, and None if this is not readable.
    """
    if isinstance(network, FloatNetwork):
        frames, motion = network.trained_frames, network.trained_motion
        return Moving(frames, motion) if frames > 1 else None
    return _recorded(network)


def _recorded(network: IntegerNetwork) -> Moving | None:
    match network.provenance.get(TRAINED_FRAMES, "").split():
        case [count, "drift"] if count.isdecimal():
            return Moving(int(count), "drift")
        case [count, "video"] if count.isdecimal():
            return Moving(int(count), "video")
        case _:
            return None


def steps_per_frame(network: FloatNetwork) -> int:
    """Return the steps that a frame had in training, or 16 for a network of still images."""
    moving = trained_moving(network)
    return STEPS_PER_FRAME if moving is None else max(1, network.training_steps // moving.frames)


def warn_if_still(network: Network, name: str) -> None:
    """Give a DataWarning if a network of moving images is to be judged on still ones."""
    moving = trained_moving(network)
    if moving is not None:
        warnings.warn(
            f"{name}: trained on {moving}, but judged on still images here; evaluate --frames "
            f"{moving.frames} --motion {moving.motion} shows the checkpoint moving ones",
            DataWarning,
            stacklevel=3,
        )
