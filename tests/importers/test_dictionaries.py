"""Dictionaries of a lasso: the rule is the lasso's own energy; a missing fact is asked for."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import torch
from sklearn.decomposition import (
    NMF,
    DictionaryLearning,
    MiniBatchDictionaryLearning,
    SparseCoder,
    sparse_encode,
)

from foreign_files import NEURONS, PIXELS, SIDE, blobs, patterns
from ipvae_snn.data.given import image_set
from ipvae_snn.errors import ConversionError, DataError, FileFormatError
from ipvae_snn.importers.draft import Draft, Options, Source
from ipvae_snn.importers.formats import read

PENALTY = 0.02


def source(path: Path, **options: Any) -> Source:
    """Return a file with images of its size and the user's options."""
    given = Options(**{"penalty": PENALTY, **options})
    return Source(path, given, lambda _: image_set(blobs()))


def components(tmp_path: Path, array: np.ndarray | None = None) -> Path:
    path = tmp_path / "components.npy"
    np.save(path, patterns() if array is None else array)
    return path


def draft(given: Source) -> Draft:
    return read(given, "scikit-learn")[1]


def fitted(positive: bool, **settings: Any) -> MiniBatchDictionaryLearning:
    """Return an estimator with a dictionary, as fitting would set it."""
    algorithm = {"fit_algorithm": "cd", "transform_algorithm": "lasso_cd"}
    estimator = MiniBatchDictionaryLearning(
        NEURONS, positive_code=positive, max_iter=2, random_state=0, **algorithm | settings
    )
    return estimator.fit(blobs().reshape(-1, PIXELS).astype(np.float64))


@pytest.mark.parametrize("positive", [True, False])
def test_the_energy_is_the_lassos(tmp_path: Path, positive: bool) -> None:
    """|x - D^T a|^2 / 2 + penalty |a|_1 with a = q z, divided by sigma^2, for any counts z."""
    result = draft(source(components(tmp_path), positive=positive))
    rng = np.random.default_rng(0)
    z = rng.poisson(2.0, (5, result.n_neurons)).astype(np.float64)
    x = rng.random((5, PIXELS))
    dictionary = patterns() if positive else np.concatenate([patterns(), -patterns()])
    quantum = np.linalg.norm(result.phi[:, 0]) / np.linalg.norm(dictionary[0])
    noise = np.exp(2.0 * result.log_sigma.astype(np.float64))
    lasso = ((x - quantum * z @ dictionary) ** 2).sum(1) / 2 + PENALTY * quantum * z.sum(1)
    ours = ((x - z @ result.phi.T) ** 2 / (2 * noise)).sum(1)
    ours += z @ np.exp(result.log_bias.astype(np.float64))
    np.testing.assert_allclose(ours, lasso / noise[0], rtol=1e-5)
    assert (noise == noise[0]).all()


@pytest.mark.parametrize("positive", [True, False])
def test_rates_are_the_mean_codes(tmp_path: Path, positive: bool) -> None:
    """An active neuron codes with 4 spikes on average."""
    result = draft(source(components(tmp_path), positive=positive))
    x = blobs().reshape(-1, PIXELS).astype(np.float64)
    codes = sparse_encode(
        x, patterns(), algorithm="lasso_cd", alpha=PENALTY, positive=positive, max_iter=1000
    )
    if not positive:
        codes = np.concatenate([codes.clip(min=0), (-codes).clip(min=0)], axis=1)
    quantum = codes[codes > 0].mean() / 4
    expected = np.log(np.maximum(codes.mean(0) / quantum, np.exp(-8)))
    np.testing.assert_allclose(result.u0, expected, rtol=1e-5)


def test_signed_codes_are_pairs(tmp_path: Path) -> None:
    """Both signs are scikit-learn's default."""
    result = draft(source(components(tmp_path)))
    assert result.n_neurons == 2 * NEURONS
    np.testing.assert_array_equal(result.phi[:, :NEURONS], -result.phi[:, NEURONS:])
    assert draft(source(components(tmp_path), positive=True)).n_neurons == NEURONS


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("positive", [True, False])
def test_an_estimator_states_penalty_and_sign(
    tmp_path: Path, positive: bool, compression: int
) -> None:
    estimator = fitted(positive, alpha=0.03)
    path = tmp_path / "estimator.skops"
    skops.io.dump(estimator, path, compression=compression)
    name, result = read(source(path, penalty=None))
    assert name == "scikit-learn"
    same = source(components(tmp_path, estimator.components_), positive=positive, penalty=0.03)
    np.testing.assert_array_equal(result.phi, draft(same).phi)
    np.testing.assert_array_equal(result.log_bias, draft(same).log_bias)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"transform_algorithm": "lasso_lars", "transform_alpha": 0.05}, 0.05),
        ({"transform_algorithm": "threshold", "transform_alpha": 0.05}, 0.03),
        ({"transform_algorithm": "omp"}, 0.03),
    ],
)
def test_the_penalty_is_that_of_the_lasso(
    tmp_path: Path, settings: dict[str, Any], expected: float
) -> None:
    """transform_alpha is a penalty only where transform is a lasso."""
    path = tmp_path / "estimator.skops"
    skops.io.dump(fitted(False, alpha=0.03, **settings), path)
    remark = draft(source(path, penalty=None)).remarks[0]
    assert f" at penalty {expected:g}: " in remark
    assert " at penalty 0.04: " in draft(source(path, penalty=0.04)).remarks[0]


def test_a_sparse_coder_has_its_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "coder.skops"
    skops.io.dump(SparseCoder(patterns(), positive_code=True), path)
    expected = draft(source(components(tmp_path), positive=True))
    np.testing.assert_array_equal(draft(source(path)).phi, expected.phi)
    with pytest.raises(ConversionError, match=r"does not state the penalty .* with --penalty"):
        read(source(path, penalty=None))


def test_other_estimators_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.skops"
    model = NMF(2, init="random", max_iter=1000, tol=0.1, random_state=0)
    skops.io.dump(model.fit(blobs().reshape(-1, PIXELS)), path)
    with pytest.raises(FileFormatError, match="holds a NMF; dictionaries of DictionaryLearning, "):
        read(source(path))
    skops.io.dump(DictionaryLearning(3), path)
    with pytest.raises(FileFormatError, match="a DictionaryLearning without components_ or dict"):
        read(source(path))


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Write a skops file anew with its schema edited."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    edit(schema)
    parts["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def attributes(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["content"]["content"]
    return found


@pytest.mark.parametrize(
    "edit",
    [
        lambda schema: schema.pop("content"),
        lambda schema: schema.update(content=[1]),
        lambda schema: attributes(schema)["components_"].update(file="../../x.npy"),
        lambda schema: attributes(schema)["components_"].pop("__loader__"),
        lambda schema: attributes(schema)["alpha"].update(content="{"),
        lambda schema: attributes(schema)["alpha"].update(content='"much"'),
    ],
)
def test_a_damaged_schema_is_one_line(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object]
) -> None:
    path = tmp_path / "estimator.skops"
    skops.io.dump(fitted(True), path)
    edited(path, edit)
    with pytest.raises((FileFormatError, DataError)) as caught:
        read(source(path, penalty=None))
    assert "\n" not in str(caught.value)


def test_a_skops_file_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that the file names would leave a mark when imported."""
    mark = tmp_path / "mark"
    (tmp_path / "hostile_module.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "estimator.skops"
    skops.io.dump(fitted(True), path)
    node = {"__class__": "f", "__module__": "hostile_module", "__loader__": "FunctionNode"}
    edited(path, lambda schema: attributes(schema).update(callback={**node, "__id__": 1}))
    read(source(path))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((NEURONS, PIXELS, 1), {}),
        ((NEURONS, 1, SIDE, SIDE), {"image_shape": (SIDE, SIDE)}),
        ((NEURONS, 1, 1, SIDE, SIDE), {"image_shape": (SIDE, SIDE)}),
        ((NEURONS, PIXELS, 1, 1), {}),
    ],
)
def test_fully_connected_lca(tmp_path: Path, shape: tuple[int, ...], options: Any) -> None:
    """A kernel of 1 over the pixels as channels, or one that covers the image; code positive."""
    path = tmp_path / "lca.pt"
    weights = torch.from_numpy(patterns().reshape(shape)).half()
    torch.save({"weights": weights, "forward_pass": torch.tensor(1)}, path)
    name, result = read(source(path, **options))
    assert name == "lca-pytorch"
    flat = weights.float().numpy().reshape(NEURONS, PIXELS)
    expected = draft(source(components(tmp_path, flat), positive=True))
    np.testing.assert_array_equal(result.phi, expected.phi)
    assert read(source(path, positive=False, **options))[1].n_neurons == 2 * NEURONS


@pytest.mark.parametrize(
    ("shape", "options", "error", "message"),
    [
        (
            (6, 1, 3, 3),
            {},
            ConversionError,
            "a convolutional layer of 6 features of 3x3 pixels in 1 channels; the file states nei",
        ),
        (
            (6, 2, 3, 3),
            {"image_shape": (4, 4), "stride": 1},
            ConversionError,
            "in 2 channels, but --image-shape 4x4 has 1; give 4x4x2",
        ),
        ((6, 1, 5, 4, 4), {"image_shape": (4, 4)}, ConversionError, "features of 5x4x4 pixels"),
        ((6, 1, 5), {}, ConversionError, "are imported with square kernels of one frame"),
        ((6, 1, 3, 2), {}, ConversionError, "are imported with square kernels of one frame"),
        (
            (6, 1, 3, 3),
            {"image_shape": (4, 4), "stride": 2},
            ConversionError,
            "at a stride of 2 they do not end at the edges of images of 4x4; give another --stri",
        ),
        ((6, 16), {}, FileFormatError, r"weights have shape \(6, 16\); LCA-PyTorch has 3 to 5"),
        ((6, 16, 1), {"penalty": None}, ConversionError, "does not state the penalty of its code"),
    ],
)
def test_other_lca_layers_are_refused(
    tmp_path: Path, shape: tuple[int, ...], options: Any, error: type[Exception], message: str
) -> None:
    path = tmp_path / "lca.pt"
    torch.save({"weights": torch.ones(shape), "forward_pass": torch.tensor(1)}, path)
    with pytest.raises(error, match=message):
        read(source(path, **options))


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("frames", [(), (1,)])
def test_convolutional_lca(tmp_path: Path, positive: bool, frames: tuple[int, ...]) -> None:
    """The rule of the dense dictionary that has the kernels at every position."""
    path = tmp_path / "lca.pt"
    kernels = np.random.default_rng(0).normal(size=(5, 1, *frames, 2, 2)).astype(np.float32)
    torch.save({"weights": torch.from_numpy(kernels), "forward_pass": torch.tensor(1)}, path)
    name, result = read(source(path, image_shape=(SIDE, SIDE), stride=2, positive=positive))
    assert name == "lca-pytorch"
    features = 5 if positive else 10
    assert result.dictionary.population == (features, 2, 2)
    rows = np.zeros((5, 2, 2, SIDE, SIDE), np.float32)
    for row, column in np.ndindex(2, 2):
        place = slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2)
        rows[:, row, column, place[0], place[1]] = kernels.reshape(5, 2, 2)
    expected = draft(source(components(tmp_path, rows.reshape(20, PIXELS)), positive=positive))
    np.testing.assert_allclose(result.phi, expected.phi, rtol=1e-6)
    np.testing.assert_allclose(result.log_bias, expected.log_bias, rtol=1e-6)
    np.testing.assert_allclose(result.log_sigma, expected.log_sigma, rtol=1e-6)
    # The rate of a feature is the mean over its positions, here of rates above the floor.
    rates = result.dictionary.shared_neurons(np.exp(result.u0))
    assert rates.shape == (features,)
    mean = np.exp(expected.u0).reshape(features, 4).mean(1)
    np.testing.assert_allclose(rates, mean, atol=4e-4)


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("nan"), float("inf")])
def test_penalties_that_are_none(tmp_path: Path, penalty: float) -> None:
    with pytest.raises(
        ConversionError, match=r"a penalty of .* is not possible; give a number abo"
    ):
        draft(source(components(tmp_path), penalty=penalty))


def test_a_penalty_that_silences_everything(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="at a penalty of 100 no component codes any of 48"):
        draft(source(components(tmp_path), penalty=100.0))


def test_images_are_needed_and_must_fit(tmp_path: Path) -> None:
    path = components(tmp_path)
    with pytest.raises(DataError, match=r"the rule for dictionaries needs images .* with --data"):
        draft(replace(source(path), load_images=None))
    wrong = replace(source(path), load_images=lambda _: image_set(blobs()[:, :3, :3]))
    with pytest.raises(DataError, match=r"images: images of 3x3 pixels, but .* is for 16 pixels"):
        draft(wrong)
