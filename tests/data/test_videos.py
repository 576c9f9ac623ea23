"""Frames of videos: all of them or evenly spaced ones, and one line for every fault."""

import struct
import sys
import warnings

import numpy as np
import pytest
from photographs import photograph

from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data import load, photographs, videos
from ipvae_snn.data.videos import read_video
from ipvae_snn.errors import DataError, DataWarning
from small_sets import fails

av = pytest.importorskip("av")
FIRST = photograph(0, 64, 80)


def video(path, count: int = 7, codec: str = "ffv1"):
    """Write a video without loss, each frame moved by one row."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 80, 64, "gray"
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(np.roll(FIRST, index, 0), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_all_frames_are_images(tmp_path):
    images = load(str(video(tmp_path / "a.mkv")))
    assert images.image_shape == (64, 80)
    expected = [np.roll(FIRST, index, 0).reshape(-1) for index in range(7)]
    np.testing.assert_array_equal(images.pixels, np.stack(expected) / np.float32(255))


@pytest.mark.parametrize(
    ("count", "most", "spacing"), [(7, 7, 1), (7, 6, 2), (7, 3, 4), (9, 2, 8), (20, 10, 2)]
)
def test_at_most_so_many_frames_evenly_spaced(tmp_path, count, most, spacing):
    frames, found = read_video(video(tmp_path / "a.mkv", count), most)
    assert found == spacing
    assert most // 2 <= len(frames) <= most
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.values, np.roll(FIRST, spacing * index, 0))


def test_patches_of_a_video_hold_out_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(photographs, "COUNTS", {"train": 300, "test": 100})
    video(tmp_path / "a.mkv")
    train = load(str(tmp_path), preparation=Preparation(8))
    assert "from 6 of 7 photographs of 64x80" in train.remarks[0]


IDENTITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        ((1, 0, 0, 1), lambda frame: frame),
        ((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)),
        ((-1, 0, 0, -1), lambda frame: np.rot90(frame, 2)),
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), np.transpose),
    ],
)
def test_frames_are_turned_as_the_camera_was(tmp_path, matrix, turned):
    path = video(tmp_path / "a.mov", codec="png")
    data = path.read_bytes()
    place = data.find(IDENTITY, data.find(b"tkhd"))
    a, b, c, d = (one << 16 for one in matrix)
    changed = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:place] + changed + data[place + len(IDENTITY) :])
    frames, _ = read_video(path)
    assert len(frames) == 7
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.values, turned(np.roll(FIRST, index, 0)))


def test_frames_of_more_than_eight_bits_keep_them(tmp_path):
    deep = FIRST.astype(np.uint16) * 257 + 1
    deep[0, 0] = 65535
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 80, 64, "gray16le"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(deep, format="gray16le")))
        container.mux(stream.encode())
    ((frame,), _) = read_video(path)
    np.testing.assert_array_equal(frame.values, deep)
    assert frame.white == 65535


@pytest.mark.parametrize("suffix", ["mkv", "mov"])
def test_a_video_that_was_cut_off_is_refused_or_warned_of(tmp_path, suffix, capfd):
    form = {"mkv": "ffv1", "mov": "png"}[suffix]
    path = video(tmp_path / f"a.{suffix}", codec=form)
    data = path.read_bytes()
    for kept in range(0, len(data) - len(data) // 5, len(data) // 12):
        path.write_bytes(data[:kept])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                frames, _ = read_video(path)
            except DataError:
                continue
        assert len(frames) < 7
        assert [one.category for one in said] == [DataWarning]
        assert f"a.{suffix}: {len(frames)} of about " in str(said[0].message)
    assert capfd.readouterr() == ("", "")


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), np.int16), format="s16", layout="mono"
        )
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with fails(f"{path}: holds no pictures, perhaps sound only; remove it"):
        read_video(path)


def test_damaged_videos_are_one_line(tmp_path):
    path = video(tmp_path / "a.mkv")
    path.write_bytes(b"#EXTM3U\nhttp://example.org/a.ts\n")
    with pytest.raises(DataError, match=r"a\.mkv: not a readable video \(.*; fix or remove it$"):
        read_video(path)


def test_videos_that_need_too_much_memory(tmp_path, monkeypatch):
    path = video(tmp_path / "a.mkv")
    monkeypatch.setattr(videos, "MAX_BYTES", 4 * 80 * 64 * 2)
    with pytest.raises(DataError, match=r"its first 3 frames need 61440 bytes; at most 40960"):
        read_video(path)


def test_without_the_extra_one_line_says_what_to_install(tmp_path, monkeypatch):
    path = video(tmp_path / "a.mkv")
    monkeypatch.setitem(sys.modules, "av", None)
    with fails(
        f"{path}: a video, for which the package av is missing; pip install 'ipvae-snn[video]'"
    ):
        load(str(path))
