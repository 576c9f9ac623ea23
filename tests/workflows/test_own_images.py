"""A user's images from training to the integer network: treated alike without being told again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from photographs import folder_of, photograph
from PIL import Image

import ipvae_snn as snn
from ipvae_snn.config.preparation import Constants, Preparation
from ipvae_snn.data import ImageSet, load, own_pictures, photographs
from ipvae_snn.errors import ConfigError, DataError, FileFormatError, TrainingError
from ipvae_snn.ir.files import load_network, save_network
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.workflows import train as workflow
from ipvae_snn.workflows import training_images
from ipvae_snn.workflows.evaluate import EvaluationSettings, plan_of
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.train import OwnImages, SettingsChoice, train_network

SMALL = (
    "train.iterations=4",
    "model.n_latents=8",
    "train.steps=3",
    "train.batch_size=20",
)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Cut few patches, so that a test takes little time."""
    monkeypatch.setattr(photographs, "COUNTS", {"train": 300, "test": 100})


def trained(folder: Path, out: Path, *overrides: str, **own):
    """Train shortly on the images of a folder; return the result and what was said."""
    said: list[str] = []
    choice = SettingsChoice(
        overrides=SMALL + overrides, data=str(folder), own=OwnImages(**own), preset="images"
    )
    return train_network(choice.resolve(), out, report=said.append), said


def test_training_records_what_was_done(tmp_path):
    folder = folder_of(tmp_path / "photos", 6)
    done, said = trained(folder, tmp_path / "run", patches=8)
    assert [line.split(":")[0] for line in said] == ["train", "test"]
    network = load_float_network(done.checkpoint)
    assert network.preparation.patches == 8
    assert network.preparation.constants.deviation > 0
    choice = ImageChoice(str(folder), limit=40)
    floats = choice.loaded_for(network).pixels
    settings = EvaluationSettings(limit=40, steps=2)
    np.testing.assert_array_equal(plan_of(network, str(folder), settings).images.pixels, floats)
    np.testing.assert_array_equal(snn.run(network, folder, limit=40, steps=2).images.pixels, floats)


def test_the_integer_network_records_it_too(tmp_path):
    folder = folder_of(tmp_path / "photos", 6)
    prepared = Preparation(8, "none", 0.0, Constants(0.0, 1.0, 0.01))
    network = replace(snn.load("digits"), preparation=prepared)
    snn.convert(network, folder, images=50, steps=4, out=tmp_path / "net.st")
    integer = load_network(tmp_path / "net.st")
    assert Preparation.from_text(integer.provenance["preparation"], "net") == prepared
    choice = ImageChoice(str(folder), limit=40)
    pixels = choice.loaded_for(network).pixels
    np.testing.assert_array_equal(choice.encoded_for(integer).floats.pixels, pixels)
    # Photographs in memory are cut too, and one of them alone can be shown.
    assert len(snn.run(integer, photograph(9)[None], limit=7, steps=2).images) == 7
    bad = replace(integer, provenance={**integer.provenance, "preparation": "{}"})
    save_network(bad, tmp_path / "bad.st")
    with pytest.raises(FileFormatError, match=r"^integer network: the preparation of its images"):
        snn.run(tmp_path / "bad.st", folder, steps=2)


def test_the_named_white_is_the_same_in_every_later_command(tmp_path):
    digits = np.random.default_rng(0).integers(0, 17, (40, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "digits.npy", digits)
    done, said = trained(tmp_path / "digits.npy", tmp_path / "run", white=16)
    assert said[:2] == [
        "train images: 36 of 8x8, levels 0..16 of 16",
        "test images: 4 of 8x8, levels 0..16 of 16",
    ]
    shown = snn.run(done.checkpoint, digits, steps=2).images
    np.testing.assert_array_equal(shown.pixels, digits.reshape(40, 64) / np.float32(16))


def test_a_white_that_is_given_goes_before_the_one_remembered(tmp_path):
    digits = np.random.default_rng(0).integers(0, 17, (40, 8, 8)).astype(np.uint8)
    network = replace(snn.load("digits"), preparation=Preparation(white=16.0))
    wide = (digits * 15.9375).astype(np.uint8)
    for given, white in ((digits, None), (wide, 255.0), (wide, 0.0)):
        choice = ImageChoice(given, white=white)
        expected = given.reshape(40, 64) / np.float32(16 if white is None else 255)
        np.testing.assert_array_equal(choice.loaded_for(network).pixels, expected)
        assert choice.selection_for(network).preparation.white == (16 if white is None else white)


def test_whitened_photographs_take_a_white_too(tmp_path):
    folder = folder_of(tmp_path / "photos", 6)
    constants = Constants(0.0, 1.0, 0.01)
    network = replace(
        snn.load("digits"),
        input_kind="standardised",
        preparation=Preparation(8, constants=constants),
    )
    chosen = ImageChoice(str(folder), white=500.0).loaded_for(network)
    assert chosen.preparation == Preparation(8, white=500.0, constants=constants)
    assert not np.array_equal(chosen.pixels, ImageChoice(str(folder)).loaded_for(network).pixels)


def test_plain_images_leave_no_record(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((40, 8, 8)))
    done, _ = trained(tmp_path / "a.npy", tmp_path / "run")
    assert load_float_network(done.checkpoint).preparation is None
    assert "preparation" not in done.checkpoint.read_bytes()[:3000].decode("latin1")


def test_from_python(tmp_path):
    settings = {
        "train.iterations": 4,
        "model.n_latents": 8,
        "train.steps": 3,
        "train.batch_size": 20,
    }
    seen = []
    result = snn.train(
        [photograph(0), photograph(1, 90, 60), photograph(2)],
        patches=8,
        settings=settings,
        progress=lambda *now: seen.append(now[0]),
    )
    assert result.network.preparation.patches == 8
    assert result.network.input_kind == "standardised"
    assert seen[0] == "reading photographs, list: image 0"


def test_photographs_have_their_preset():
    chosen = SettingsChoice(data="photos", own=OwnImages(patches=12)).resolve()
    assert chosen.data.patches == 12
    assert replace(chosen.data, name="natural", patches=16) == snn_preset("photographs").data
    assert SettingsChoice(data="natural", own=OwnImages(patches=8)).resolve().model.n_latents == 512


def snn_preset(name):
    """Return a packaged preset."""
    return SettingsChoice(preset=name).resolve()


@pytest.mark.parametrize("setting", ["patches=1", "patches=-8", "whiten=zca", "white=-1"])
def test_settings_out_of_range(setting):
    with pytest.raises(ConfigError, match=f"data.{setting.split('=')[0]} is "):
        SettingsChoice(overrides=(f"data.{setting}",)).resolve()


def test_named_sets_are_not_cut():
    config = SettingsChoice(data="digits", own=OwnImages(patches=4)).resolve()
    with pytest.raises(DataError, match=r"^digits: a named set, of which no patches of 4x4 are"):
        training_images.load_training_data(config, None)


@pytest.mark.parametrize("own", [OwnImages(white=16), OwnImages(whiten="none")])
def test_named_sets_keep_their_treatment(own):
    config = SettingsChoice(data="digits", own=own).resolve()
    with pytest.raises(
        DataError, match=r"^digits: a named set, which is read in its own way; leave"
    ):
        training_images.load_training_data(config, None)


@pytest.mark.parametrize("motion", ["video", "drift"])
def test_patches_are_no_frames(motion):
    overrides = ("data.frames=4", f"data.motion={motion}")
    config = SettingsChoice(data="photos", overrides=overrides, own=OwnImages(patches=8)).resolve()
    for source in ("photos", [photograph(0), photograph(1)]):
        with pytest.raises(
            DataError, match=r"^photos: patches of 8x8 \(data.patches\) as 4 frames"
        ):
            training_images.training_images(source, config)


def test_large_whole_images_are_refused_at_once(tmp_path):
    for index in range(9):
        Image.new("L", (1280, 1000), 20 * index + 60).save(tmp_path / f"{index}.png")
    config = SettingsChoice(data=str(tmp_path)).resolve()
    with pytest.raises(DataError, match=r"images of 1000x1280 pixels, .*: --patches 16$"):
        training_images.load_training_data(config, None)


def test_a_wrong_size_is_refused_after_one_picture(tmp_path, monkeypatch):
    read: list[Path] = []
    frames = own_pictures.read_frames

    def counted(path, colour):
        read.append(path)
        return frames(path, colour)

    monkeypatch.setattr(own_pictures, "read_frames", counted)
    folder = folder_of(tmp_path / "photos", 12, height=300, width=300)
    with pytest.raises(
        DataError, match="photos: images of 90000 pixels, but the network takes 8x8"
    ):
        ImageChoice(str(folder)).loaded_for(snn.load("digits"))
    config = SettingsChoice(data=str(folder)).resolve()
    with pytest.raises(DataError, match="photos: images of 300x300 pixels, but a network takes"):
        training_images.load_training_data(config, None)
    assert [path.name for path in read] == ["00.png", "00.png"]


def unit_set(count: int, side: int, citation: str = "") -> ImageSet:
    """Return images of noise."""
    pixels = np.random.default_rng(0).random((count, side * side), dtype=np.float32)
    return ImageSet("mine", "train", pixels, (side, side), "unit", citation=citation)


@pytest.mark.parametrize(
    ("images", "advised"),
    [
        (unit_set(200, 64), False),
        (unit_set(99, 64), True),
        (unit_set(200, 65), True),
        (unit_set(9, 80, "Someone (1999)"), False),
    ],
)
def test_advice_on_large_or_few_images(images, advised):
    advice = training_images.advice_on(images)
    assert (advice is not None) is advised
    if advice:
        assert advice.endswith("natural images? cut whitened patches: --patches 16")


def test_small_images_are_not_advised_to_be_cut():
    advice = training_images.advice_on(unit_set(20, 28))
    assert advice == "mine: 20 images of 28x28 to train on; more images make a better network"


def test_failed_training_of_few_images_names_the_patches(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((40, 8, 8)))

    def fail(*_):
        raise TrainingError("training ran away; lower train.learning_rate")

    monkeypatch.setattr(workflow, "train", fail)
    with pytest.raises(TrainingError, match=r"rate; or: a\.npy: 36 images of 8x8 to train on"):
        trained(tmp_path / "a.npy", tmp_path / "run")


def test_r2_below_zero_is_said(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((40, 8, 8)))
    done, _ = trained(tmp_path / "a.npy", tmp_path / "run")
    low = replace(done.result.validation, r2=-0.5)
    worse = replace(done.result, validation=low)
    assert training_images.advice_after(worse, unit_set(40, 64)) == (
        "R2 -0.500 is worse than the mean image; natural images? cut whitened patches: --patches 16"
    )
    better = replace(done.result, validation=replace(low, r2=0.5))
    assert training_images.advice_after(better, unit_set(40, 8)) is None


def test_films_are_trained_on_in_whole_sequences(tmp_path):
    """Frames were held out one by one, so that each tenth was missing between its neighbours."""
    frames = np.random.default_rng(0).integers(30, 256, (33, 4, 5), np.uint8)
    frames[:, 0, 0] = np.arange(33)
    np.save(tmp_path / "film.npy", frames)
    config = SettingsChoice(preset="images", overrides=("data.frames=3",)).resolve()
    for source in (str(tmp_path / "film.npy"), frames):
        training, held_out = training_images.training_images(source, config)
        first = [np.rint(part.pixels[:, 0] * 255).astype(int) for part in (training, held_out)]
        assert first[0].tolist() == [*range(27), *range(30, 33)]
        assert first[1].tolist() == [27, 28, 29]


def test_named_patches_are_cut_as_in_training():
    """A network of natural patches in the paper's way cuts such patches, of photographs too."""
    small = {
        "data.whiten": "vafaii",
        "train.iterations": 3,
        "train.steps": 2,
        "train.batch_size": 20,
        "model.n_latents": 12,
        "data.limit": 200,
        "data.validation_limit": 20,
    }
    network = snn.train("natural", preset="images", patches=8, settings=small).network
    assert network.preparation is not None
    assert (network.preparation.patches, network.preparation.whiten) == (8, "vafaii")
    wanted = load("natural", "test", patch_size=8, preparation=network.preparation).pixels[:6]
    seen = snn.run(network, "natural", steps=2, limit=6).images
    np.testing.assert_array_equal(seen.pixels, wanted)
    assert snn.evaluate(network, "natural", steps=2, limit=6).report.evaluation.images == 6
    # Photographs are cut in the same way, with the training set's constants.
    own = snn.run(network, photograph(3)[None], steps=2, limit=5).images
    assert own.preparation == network.preparation


def test_an_integer_network_cuts_named_patches_as_in_training():
    prepared = Preparation(8, "vafaii", 0.0, Constants(0.0, 1.0, 0.0))
    network = replace(snn.load("digits"), preparation=prepared, input_kind="standardised")
    integer = snn.convert(network, "natural", images=50, steps=4).network
    seen = snn.run(integer, "natural", steps=2, limit=6).images
    wanted = load("natural", "test", patch_size=8, preparation=prepared).pixels[:6]
    np.testing.assert_array_equal(seen.pixels, wanted)
    ours = load("natural", "test", patch_size=8).pixels[:6]
    assert not np.allclose(seen.pixels, ours, atol=0.1)
