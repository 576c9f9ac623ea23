"""Formats are recognised by content; plain arrays; one line for all else."""

from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from foreign_files import NEURONS, PIXELS, patterns, write_ip_vae
from ipvae_snn.errors import ConfigError, FileFormatError, IpvaeError
from ipvae_snn.importers.draft import Draft, Source
from ipvae_snn.importers.formats import FORMATS, read

ARRAYS = {
    "phi": patterns().T.astype(np.float32),
    "log_sigma": np.linspace(-1, 1, PIXELS, dtype=np.float32),
    "u0": np.linspace(-2, -1, NEURONS, dtype=np.float32),
    "log_bias": np.linspace(-3, -2, NEURONS, dtype=np.float32)[None],
    "log_lr": np.float32(-2.5),
}


def arrays(tmp_path: Path, **changed: object) -> Path:
    """Write arrays as .npz; None leaves one out."""
    path = tmp_path / "network.npz"
    np.savez(path, **{k: v for k, v in {**ARRAYS, **changed}.items() if v is not None})
    return path


def read_arrays(path: Path) -> Draft:
    name, result = read(Source(path))
    assert name == "arrays"
    return result


def test_all_arrays(tmp_path: Path) -> None:
    result = read_arrays(arrays(tmp_path))
    for name in ("phi", "log_sigma", "u0", "log_bias"):
        np.testing.assert_array_equal(getattr(result, name), np.squeeze(ARRAYS[name]))
    assert (result.log_lr, result.remarks) == (-2.5, ())


def test_phi_alone(tmp_path: Path) -> None:
    """Defaults are those at the start of training, and are reported."""
    path = tmp_path / "phi.npy"
    np.save(path, np.asfortranarray(ARRAYS["phi"]))
    name, result = read(Source(path), "arrays")
    assert (name, result.log_lr) == ("arrays", None)
    np.testing.assert_array_equal(result.phi, ARRAYS["phi"])
    assert {*result.log_sigma.tolist()} == {0.0}
    assert ({*result.u0.tolist()}, {*result.log_bias.tolist()}) == ({-5.0}, {-3.0})
    assert result.remarks == (
        "Not in the file, so as at the start of training: log_sigma 0, u0 -5, log_bias -3.",
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"phi": None}, "holds no phi"),
        ({"phy": np.zeros(2)}, r"holds 'phy', which is not known .* did you mean phi\?"),
        ({"phi": np.zeros((2, 3, 4))}, r"phi has shape \(2, 3, 4\), but \(any, any\) is needed"),
        ({"u0": np.zeros(5)}, r"u0 has shape \(5,\), but \(6,\) is needed"),
        ({"u0": np.full(6, np.nan)}, "u0 holds 6 values that are NaN"),
        ({"phi": np.full((16, 6), 1e300)}, "phi holds 96 values that are NaN, infinite or beyond"),
        ({"phi": np.full((16, 6), "a")}, "phi is of type <U1; real numbers are needed"),
        ({"log_lr": np.zeros(2)}, r"log_lr has shape \(2,\), but one number is needed"),
    ],
)
def test_damaged_arrays_are_one_line(
    tmp_path: Path, changed: dict[str, object], message: str
) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        read_arrays(arrays(tmp_path, **changed))
    assert "\n" not in str(caught.value)


def test_arrays_of_objects_are_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(IpvaeError, match="Python objects, which are never loaded"):
        read_arrays(arrays(tmp_path, phi=np.array([{}], dtype=object)))


def test_npy_needs_a_word(tmp_path: Path) -> None:
    path = tmp_path / "dictionary.npy"
    np.save(path, patterns())
    with pytest.raises(
        FileFormatError, match=r"say which with --format scikit-learn or --format a"
    ):
        read(Source(path))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin"])
def test_content_counts_and_not_the_name(tmp_path: Path, suffix: str) -> None:
    path = write_ip_vae(tmp_path)
    renamed = path.rename(path.with_suffix(suffix))
    assert read(Source(renamed))[0] == "ip-vae"


def test_unknown_tensors_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({f"block{n}.weight": torch.zeros(1) for n in range(20)}, path)
    with pytest.raises(
        FileFormatError, match=r"of no known format: .* and 12 more\); save the dic"
    ):
        read(Source(path))


def test_a_format_that_the_file_is_not(tmp_path: Path) -> None:
    path = write_ip_vae(tmp_path)
    with pytest.raises(FileFormatError, match=r"arrays is read from a NumPy array file or an arch"):
        read(Source(path), "arrays")
    with pytest.raises(
        FileFormatError, match=r"holds no weights|which is not known in this format"
    ):
        read(Source(path), "lca-pytorch")
    with pytest.raises(ConfigError, match=r"^no format is called 'onnx'; there are ip-vae, "):
        read(Source(path), "onnx")


def test_files_of_other_kinds(tmp_path: Path) -> None:
    pickled, text = tmp_path / "estimator.joblib", tmp_path / "notes.txt"
    joblib.dump({"components_": patterns()}, pickled)
    text.write_text("phi = ...")
    for path, message in (
        (pickled, "a pickle of Python objects, which is never loaded, since loading executes code"),
        (text, "a file of no known format; save the dictionary with numpy.save"),
        (tmp_path, "a folder; name the file in it"),
        (tmp_path / "nothing.pt", "no such file; check the path"),
    ):
        with pytest.raises(FileFormatError, match=message):
            read(Source(path))


def test_every_format_says_what_it_is() -> None:
    for name, described in FORMATS.items():
        assert described.summary, name
        assert described.readers, name
