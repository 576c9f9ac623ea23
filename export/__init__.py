"""Targets of `ipvae-snn export`: ONNX models, a Lava bundle, snnTorch and Norse layers.

Called, `ipvae_snn.export(network, target, out)` is the function of the face.
"""

from ipvae_snn.callable_module import make_callable

make_callable(__name__)
