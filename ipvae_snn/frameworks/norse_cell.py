"""The converted network as a Norse cell: spikes, state = cell(input, state)."""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from ipvae_snn.backends.torch_sampler import Keys
from ipvae_snn.frameworks.float_dynamics import Gradient
from ipvae_snn.frameworks.inputs import missing
from ipvae_snn.frameworks.layers import Layer, first_keys, make_layer
from ipvae_snn.frameworks.networks import FromPretrained, Mode
from ipvae_snn.models.networks import NetworkSource

try:
    with warnings.catch_warnings():
        # Norse 1.1 compiles some functions by torch.jit.script at import, of which newer
        # versions of torch warn; a user cannot prevent this.
        warnings.filterwarnings("ignore", "`torch.jit.script", DeprecationWarning)
        from norse.torch.module.snn import SNNCell
except ImportError as error:
    raise ImportError(missing("norse")) from error


class IterativePoissonState(NamedTuple):
    """State of N rows: v (N, K) membrane potential; seed, image, step (N,) of the next draw.

    v is int64 in units of 2^-fraction_bits octaves in integer mode, float in nats in float mode.
    """

    v: Tensor
    seed: Tensor
    image: Tensor
    step: Tensor


def iterative_poisson_step(
    input_tensor: Tensor, state: IterativePoissonState, p: Layer, dt: float = 1.0
) -> tuple[Tensor, IterativePoissonState]:
    """Return the spike counts (N, K) of one step as floats, and the next state.

    input_tensor is (N, M), or N rows of any shape of M values: uint8 pixels, float pixels in the
    network's range, or one step of a spike train. `dt` is Norse's; the network's step size is
    one of its parameters. Raises DataError for input that does not fit.
    """
    keys = Keys(state.seed, state.image, state.step)
    counts, v = p.advance(input_tensor, state.v, keys)
    return counts, IterativePoissonState(v, state.seed, state.image, state.step + 1)


class IterativePoissonCell(FromPretrained, SNNCell):
    """A cell of iterative Poisson neurons, including their feed-forward and lateral weights.

    network: an IntegerNetwork or, in float mode, also a FloatNetwork; or the path of the file of
    either; or the name of a pretrained network, which is float. `from_pretrained` converts one.
    mode: "integer" gives the reference's counts bit for bit; "float" is trainable, with
    learn_dictionary, gradient and temperature as in `layers`. State dicts hold the network, and
    loading one replaces it.
    seed, first_image: without a state, row n of a batch draws as image first_image + n under
    `seed`.
    """

    def __init__(
        self,
        network: NetworkSource,
        mode: Mode = "integer",
        *,
        seed: int = 0,
        first_image: int = 0,
        learn_dictionary: bool = False,
        gradient: Gradient = "relaxed",
        temperature: float = 0.1,
    ) -> None:
        layer = make_layer(network, mode, learn_dictionary, gradient, temperature)
        super().__init__(iterative_poisson_step, self.initial_state, layer, dt=1.0)
        self.mode, self.seed, self.first_image = mode, seed, first_image

    def initial_state(self, input_tensor: Tensor) -> IterativePoissonState:
        """Return the state of N rows before their first step, for an input of N rows."""
        return self.state_of(torch.arange(len(input_tensor)) + self.first_image)

    def state_of(self, images: Tensor) -> IterativePoissonState:
        """Return the state before the first step of images of these indices, (N,) int64."""
        v = self.p.initial(len(images))
        keys = first_keys(images, self.seed)
        return IterativePoissonState(
            v, keys.seed.to(v.device), keys.image.to(v.device), keys.step.to(v.device)
        )

    def __repr__(self) -> str:
        """Return one line with sizes, mode and settings of the mode."""
        return f"{type(self).__name__}({self.p.extra_repr()})"
