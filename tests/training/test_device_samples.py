"""Which code draws relaxed counts where torch differentiates the loss."""

from dataclasses import replace
from importlib.machinery import ModuleSpec

import pytest
import torch

from ipvae_snn.config.settings import Config, Sampling
from ipvae_snn.errors import ConfigError
from ipvae_snn.training import device_samples
from ipvae_snn.training.device_samples import uses_triton

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


def wanting(sampling: Sampling) -> Config:
    return Config(train=replace(Config().train, sampling=sampling))


@pytest.mark.parametrize("found", [True, False])
def test_auto_takes_triton_on_cuda_devices_that_have_it(
    monkeypatch: pytest.MonkeyPatch, found: bool
) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    spec = ModuleSpec("triton", None) if found else None
    monkeypatch.setattr(device_samples, "find_spec", lambda _: spec)
    assert uses_triton(wanting("auto"), CUDA) is found
    assert not uses_triton(wanting("auto"), CPU)
    for device in (CPU, CUDA):
        assert not uses_triton(wanting("torch"), device)
    if found:
        assert uses_triton(wanting("triton"), CUDA)
        said = "train.device is cpu, and the kernel runs on cuda only; set train.sampling=auto"
        with pytest.raises(ConfigError, match=f"^train.sampling is triton, but {said}$"):
            uses_triton(wanting("triton"), CPU)
    else:
        with pytest.raises(ConfigError, match=r"the package triton is not installed, which torch"):
            uses_triton(wanting("triton"), CUDA)
