"""Pretrained networks: present, small, described, and found by name."""

from pathlib import Path

import pytest

from ipvae_snn import pretrained
from ipvae_snn.errors import FileFormatError
from ipvae_snn.models.checkpoint import load_checkpoint_config
from ipvae_snn.models.float_network import load_float_network

# Operating points: networks that were trained to be cheap.
POINTS = [f"{of}-512-{p}" for of in ("mnist", "vanhateren") for p in ("fine", "lean", "least")]


def test_names_sizes_and_cards() -> None:
    names = ["cifar10-colour", "digits", "mnist-512", "mnist-conv", "vanhateren-512", *POINTS]
    assert pretrained.names() == sorted(names)
    sizes = {name: pretrained.network_path(name).stat().st_size for name in names}
    assert sum(sizes[name] for name in POINTS) < 4_000_000
    assert sum(sizes.values()) < 5_200_000
    files = [pretrained.network_path(name) for name in pretrained.names()]
    for name, file in zip(pretrained.names(), files, strict=True):
        network, config = load_float_network(file), load_checkpoint_config(file)
        text = " ".join(pretrained.card(name).read_text(encoding="utf-8").split())
        assert text.startswith(f"# {name} ")
        assert f'KL form "{config.train.kl}"' in text
        assert f"K = {network.n_neurons} neurons" in text
        assert network.trained_on == config.data.name


def test_a_path_wins_over_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert pretrained.network_path("digits").parent == pretrained.folder()
    Path("digits").write_bytes(b"mine")
    assert pretrained.network_path("digits") == Path("digits")


def test_an_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(
        FileFormatError,
        match=r"^mnist-51: no such file, nor a pretrained network \(there are cifar10-colour, "
        r"digits, mnist-512, mnist-512-fine, .*, vanhateren-512-least\); did you mean mnist-512\?; "
        r"check the path, or create it first$",
    ):
        pretrained.network_path("mnist-51")
