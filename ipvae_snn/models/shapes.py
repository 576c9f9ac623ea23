"""Shapes of the model's tensors: M pixels, K neurons, *B the axes of a batch.

A type checker sees a Tensor; tests/support/shape_checks.py checks the axes. Within one call an
axis name stands for one length. *B is (B,), or (T, B) for the frames of a sequence.
"""

from typing import Annotated

from torch import Tensor

Pixels = Annotated[Tensor, "*B M"]
Neurons = Annotated[Tensor, "*B K"]
PerImage = Annotated[Tensor, "*B"]
Phi = Annotated[Tensor, "M K"]
Lateral = Annotated[Tensor, "K K"]
LogSigma = Annotated[Tensor, "... M"]  # (1, M) as trained, or (M,)
StartOrNeurons = Annotated[Tensor, "*#B K"]  # (1, K) where all images start alike
LogBias = Annotated[Tensor, "... K"]  # (1, K) as trained, or (K,)
Scalar = Annotated[Tensor, ""]
AnyShape = Annotated[Tensor, "*shape"]
Number = float | Tensor  # a constant, or a scalar (): what a recorded iteration reads anew
