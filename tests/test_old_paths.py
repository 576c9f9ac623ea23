"""Import paths of pages and exported folders of version 0.1 work for one more version."""

import importlib

import pytest

MOVED = {
    "calibrate": "conversion.calibration",
    "compiled_backend": "backends.compiled",
    "convert": "conversion.convert",
    "encode": "ir.encode",
    "fixed_point": "ir.fixed_point",
    "float_network": "models.float_network",
    "hw.chip_profile": "hw.chips.profile",
    "integer_torch": "backends.torch_module",
    "interpreter": "ir.interpreter",
    "sampler": "ir.sampler",
    "serialize": "ir.files",
    "trace": "ir.trace",
}
NAMED = {
    "calibrate": ("calibrate",),
    "convert": ("ConversionSettings", "convert"),
    "encode": ("encode",),
    "float_network": ("load_float_network", "FloatNetwork"),
    "integer_torch": ("IntegerTorch",),
    "interpreter": ("run", "check_request"),
    "ir": ("IntegerNetwork", "Connection", "InputCode", "PoissonNeurons", "Residual", "Decoder"),
    "serialize": ("load_network", "save_network"),
    "trace": ("RunRequest", "Trace"),
}


@pytest.mark.parametrize("old", MOVED)
def test_an_old_path_hands_on_the_same_objects(old: str) -> None:
    before = importlib.import_module(f"ipvae_snn.{old}")
    now = importlib.import_module(f"ipvae_snn.{MOVED[old]}")
    handed_on = [name for name in before.__all__ if hasattr(now, name)]
    assert handed_on
    assert all(getattr(before, name) is getattr(now, name) for name in handed_on)


@pytest.mark.parametrize("old", NAMED)
def test_names_that_pages_and_exports_use_are_there(old: str) -> None:
    module = importlib.import_module(f"ipvae_snn.{old}")
    assert [name for name in NAMED[old] if not hasattr(module, name)] == []
