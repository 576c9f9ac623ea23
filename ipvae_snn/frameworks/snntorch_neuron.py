"""The converted network as an snnTorch neuron: spk, mem, key = neuron(input_, mem, key)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ipvae_snn.backends.torch_sampler import Keys
from ipvae_snn.errors import DataError
from ipvae_snn.frameworks.float_dynamics import Gradient
from ipvae_snn.frameworks.inputs import missing
from ipvae_snn.frameworks.layers import first_keys, make_layer
from ipvae_snn.frameworks.networks import FromPretrained, Mode
from ipvae_snn.models.networks import NetworkSource

try:
    import snntorch as snn
except ImportError as error:
    raise ImportError(missing("snntorch")) from error

# float32 holds every whole potential of a 24-bit state exactly; narrower floats do not.
EXACT = (torch.float32, torch.float64, torch.int32, torch.int64)


class IterativePoisson(FromPretrained, snn.Leaky):
    """A layer of iterative Poisson neurons: K spike counts from M values, at every step.

    It integrates without leak, and a spike inhibits its own neuron by a constant. This is
    snnTorch's Leaky with beta 1 and reset by subtraction, but with graded Poisson spikes and
    including the network's feed-forward and lateral weights. As a Leaky, it is reset and detached
    by `snntorch.utils.reset`.

    network: an IntegerNetwork or, in float mode, also a FloatNetwork; or the path of the file of
    either; or the name of a pretrained network, which is float. `from_pretrained` converts one.
    mode: "integer" gives the reference's counts bit for bit; "float" is trainable, with
    learn_dictionary, gradient and temperature as in `layers`. State dicts hold the network, and
    loading one replaces it.
    seed, first_image: row n of a batch draws as image first_image + n under `seed`; both are read
    when a presentation starts.

    State: mem (N, K), the membrane potential minus its initial value, so that a presentation starts
    from zeros as elsewhere in snnTorch; in units of 2^-fraction_bits octaves (whole numbers) in
    integer mode, in nats in float mode. key (N, 3) int64: seed, image, step of the next draw.
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
        init_hidden: bool = False,
        output: bool = False,
    ) -> None:
        # Spikes are drawn, so snnTorch's surrogate gradient is not used; it is a closure, which
        # would prevent pickling of the layer.
        super().__init__(beta=1.0, surrogate_disable=True, init_hidden=init_hidden, output=output)
        self.layer = make_layer(network, mode, learn_dictionary, gradient, temperature)
        self.mode, self.seed, self.first_image = mode, seed, first_image

    def forward(
        self, input_: Tensor, mem: Tensor | None = None, key: Tensor | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """Return spk, mem, key after one step; spk with init_hidden, spk, mem with output too.

        input_ is (N, M), or N rows of any shape of M values: uint8 pixels, float pixels in the
        network's range, or one step of a spike train. mem and key are those of the previous
        step. Without them the stored ones are used; if the shape of these does not fit N rows, a
        presentation starts. Raises DataError for input that does not fit.
        """
        if self.init_hidden and (mem is not None or key is not None):
            raise TypeError("`mem` and `key` should not be passed while `init_hidden=True`")
        if mem is not None:
            self._mem = mem
        if key is not None:
            self._key = key
        n = len(input_)
        rest = self.layer.initial(n)
        dtype = torch.float32 if self.mode == "integer" else rest.dtype
        if self._mem.shape != rest.shape:
            self._mem = torch.zeros(rest.shape, dtype=dtype, device=rest.device)
        if self._key.shape != (n, 3):
            self._key = self.keys(torch.arange(n) + self.first_image).to(rest.device)
        if self.mode == "integer" and self._mem.dtype not in EXACT:
            raise DataError(
                f"mem is {self._mem.dtype}, which cannot hold 24-bit potentials; keep it in float32"
            )
        keys = Keys(*self._key.unbind(1))
        spk, after = self.layer.advance(input_, rest + self._mem.to(rest.dtype), keys)
        self._mem = (after - rest).to(dtype)
        self._key = torch.stack((keys.seed, keys.image, keys.step + 1), dim=1)
        if self.init_hidden:
            return (spk, self._mem) if self.output else spk
        return spk, self._mem, self._key

    def keys(self, images: Tensor) -> Tensor:
        """Return the first key (N, 3) of images of these indices (N,) int64."""
        first = first_keys(images, self.seed)
        return torch.stack((first.seed, first.image, first.step), dim=1)

    def reset_mem(self) -> tuple[Tensor, Tensor]:
        """Reset, and return the empty mem and key that the first forward fills for its N rows."""
        self.mem = torch.zeros(0, device=self._mem.device)
        return self._mem, self._key

    def init_iterative_poisson(self) -> tuple[Tensor, Tensor]:
        """Reset as `reset_mem`, under the name that snnTorch's neurons use."""
        return self.reset_mem()

    @property
    def mem(self) -> Tensor:
        """Membrane potential minus its initial value, (N, K), after the last step."""
        return self._mem

    @mem.setter
    def mem(self, value: Tensor) -> None:
        # snntorch.utils.reset assigns zeros here: the next images start at step 0.
        self._mem = value
        self._key = torch.zeros(0, 3, dtype=torch.int64, device=value.device)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "IterativePoisson":
        """Move or cast the layer; the state of integer mode and the keys are moved, not cast."""
        mem, key = self._mem, self._key
        super()._apply(fn, recurse)
        self._key = key.to(self._key.device)
        if self.mode == "integer":
            self._mem = mem.to(self._mem.device)
        return self

    def _init_mem(self) -> None:
        """Create the hidden state when snnTorch's __init__ calls this; not in state dicts."""
        self.register_buffer("_mem", torch.zeros(0), persistent=False)
        self.register_buffer("_key", torch.zeros(0, 3, dtype=torch.int64), persistent=False)

    def __repr__(self) -> str:
        """Return one line with sizes, mode and settings of the mode."""
        return f"{type(self).__name__}({self.layer.extra_repr()})"
