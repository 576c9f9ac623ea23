"""Targets of `ipvae-snn export`: ONNX models, a Lava bundle, snnTorch and Norse layers.

`ipvae_snn.export` is also callable: `ipvae_snn.export(network, target, out)`.
"""

from ipvae_snn.callable_module import make_callable

make_callable(__name__)
