"""Old path of `ipvae_snn.backends.torch_module`, kept for one version."""

from ipvae_snn.backends.torch_module import (
    CPU_ELEMENTS,
    CUDA_ELEMENTS,
    IntegerTorch,
    cuda_advice,
    run,
    run_cuda,
)

__all__ = ["CPU_ELEMENTS", "CUDA_ELEMENTS", "IntegerTorch", "cuda_advice", "run", "run_cuda"]
