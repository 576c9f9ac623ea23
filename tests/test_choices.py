"""Nearest names: wrong spelling, synonyms, initials; and one form of the message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.choices import choose, nearest, suggestion
from ipvae_snn.errors import BackendError, ConfigError

BACKENDS = ("compiled", "lava", "lava-fused", "onnx", "onnx-reference", "reference", "torch")
NAMES = st.text("abcdefghij_-", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("complied", "compiled"),
        ("Onnx", "onnx"),
        ("lava_fused", "lava-fused"),
        ("ref", "reference"),
        ("onnxruntime", "onnx"),
        ("zzz", None),
        ("", None),
    ],
)
def test_nearest_of_back_ends(word: str, expected: str | None) -> None:
    assert nearest(word, BACKENDS) == expected


def test_initials_and_synonyms() -> None:
    known = ("learning_rate", "log_lr", "iterations")
    assert nearest("lr", known) == "learning_rate"
    assert nearest("Epochs", known, {"epochs": "iterations"}) == "iterations"
    assert nearest("epochs", ("seed",), {"epochs": "iterations"}) is None


@given(st.lists(NAMES, min_size=1, unique=True), st.data())
def test_a_known_name_is_nearest_to_itself(known: list[str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(known))
    other = nearest(name, known)
    assert other is not None
    assert other.replace("-", "_") == name.replace("-", "_")
    assert choose(name, known, "name") == name


@given(NAMES, st.lists(NAMES, unique=True))
def test_what_is_suggested_is_known(word: str, known: list[str]) -> None:
    assert nearest(word, known) in {None, *known}


def test_the_message_names_the_kind_the_nearest_and_all() -> None:
    with pytest.raises(BackendError) as caught:
        choose("onxx", BACKENDS, "back end", BackendError)
    assert str(caught.value) == (
        f"no back end is called 'onxx' (did you mean 'onnx'?); there are {', '.join(BACKENDS)}"
    )
    with pytest.raises(ConfigError, match=r"^no thing is called 'x'; there are a, b$"):
        choose("x", ("a", "b"), "thing")
    assert suggestion("x", ("a", "b")) == ""
