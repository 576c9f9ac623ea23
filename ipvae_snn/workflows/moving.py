"""Moving images: what a command asks for, what a network saw, and a warning if they are still."""

import warnings
from dataclasses import replace
from typing import Final, NamedTuple, get_args

from ipvae_snn.choices import suggestion
from ipvae_snn.config.settings import Motion
from ipvae_snn.data.own_sequences import sequence_set
from ipvae_snn.data.sequences import Moving, Sequences
from ipvae_snn.errors import ConfigError, DataWarning
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import TRAINED_FRAMES, FloatNetwork
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.models.networks import Network
from ipvae_snn.workflows.image_choice import ImageChoice, noted
from ipvae_snn.workflows.images import Images, encoded

STEPS_PER_FRAME: Final = 16


def trained_moving(network: Network | LatentNetwork) -> Moving | None:
    """Return the frames that a network was trained on, None for still images.

    An integer network has them in its provenance, and None if this is not readable.
    """
    if not isinstance(network, IntegerNetwork):
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


def warn_if_still(network: Network | LatentNetwork, name: str, done: str = "judged") -> None:
    """Give a DataWarning if a network of moving images is to be judged on still ones.

    done: what is done with the network, a past participle. All that judges networks, and the
    calibration of a conversion, calls it.
    """
    moving = trained_moving(network)
    if moving is not None:
        warnings.warn(
            f"{name}: trained on {moving}, but {done} on still images here; evaluate, convert, "
            f"run, verify and compare take moving ones with --frames {moving.frames} --motion "
            f"{moving.motion}",
            DataWarning,
            stacklevel=3,
        )


class Asked(NamedTuple):
    """Frames of a sequence, and their source; None for that of the network's training, or drift."""

    frames: int
    motion: Motion | None = None

    def moving(self, network: FloatNetwork) -> Moving:
        """Return the moving input that is meant for this network."""
        return self.for_default(trained_moving(network))

    def for_default(self, trained: Moving | None) -> Moving:
        """Return the moving input that is meant for a network that was trained on `trained`."""
        default: Motion = "drift" if trained is None else trained.motion
        return Moving(self.frames, self.motion or default).checked()


def asked_of(
    asked: Asked | None, network: Network, name: str, done: str = "judged"
) -> Moving | None:
    """Return the moving input that is asked for; None, with `warn_if_still`, for still images.

    name, done: of the warning. Raises DataError for a number of frames out of range.
    """
    if asked is None:
        warn_if_still(network, name, done)
        return None
    return asked.for_default(trained_moving(network))


def sequences_of(network: IntegerNetwork, choice: ImageChoice, moving: Moving) -> Sequences:
    """Return the sequences; DataError if their frames do not fit the network."""
    sequences = sequence_set(choice.data, choice.selection_for(network), moving)
    noted(sequences.images)
    return sequences


def encoded_as(network: IntegerNetwork, choice: ImageChoice, moving: Moving | None) -> Images:
    """Return still images for None, else sequences, as the integer network takes them.

    Of sequences, `floats` are the frames of all in order, and `pixels` are (N, F, M). Raises
    DataError for images that do not fit.
    """
    if moving is None:
        return choice.encoded_for(network)
    images = encoded(network, sequences_of(network, choice, moving).images)
    return replace(images, pixels=images.pixels.reshape(-1, moving.frames, network.n_pixels))


def motion_of(frames: int | None, motion: str | None) -> Asked | None:
    """Return the moving input that options ask for, None for still images.

    Raises ConfigError for an unknown motion, or one without frames.
    """
    if frames is None and motion is None:
        return None
    if frames is None:
        raise ConfigError(f"--motion {motion} moves the frames of a sequence; give --frames too")
    match motion:
        case None | "drift" | "video":
            return Asked(frames, motion)
        case _:
            raise ConfigError(
                f"--motion {motion[:40]!r} is not known{suggestion(motion, get_args(Motion))}; "
                f"give {' or '.join(get_args(Motion))}"
            )
