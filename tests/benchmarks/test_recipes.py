"""Recipes, pretrained networks and model cards agree with one another."""

import json
from dataclasses import replace

import pytest

from benchmarks.recipe.__main__ import BEFORE, RESULTS, names, recipe
from benchmarks.recipe.card import card, is_capped
from ipvae_snn import pretrained
from ipvae_snn.config.toml import load_preset
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.checkpoint import load_checkpoint_config
from ipvae_snn.models.float_network import load_float_network


def test_every_recipe_is_a_valid_config_and_its_parts_exist() -> None:
    assert {"mnist-512", "vanhateren-512", "digits"} <= set(names())
    for name in names():
        assert recipe(name).train.kl == "code"
    for later, before in BEFORE.items():
        first, last = recipe(before), recipe(later)
        assert replace(last.model, clip=first.model.clip) == first.model
        assert replace(last.data, validation_limit=first.data.validation_limit) == first.data
    with pytest.raises(
        ConfigError, match=r"^there is no recipe 'mnist'; known ones are cifar10-colour, "
    ):
        recipe("mnist")


def test_the_papers_recipes_are_the_presets() -> None:
    assert recipe("mnist-512-paper") == load_preset("paper-mnist")
    assert recipe("vanhateren-512-paper") == load_preset("paper-patches")


@pytest.mark.parametrize("name", pretrained.names())
def test_a_pretrained_network_is_what_its_recipe_and_card_say(name: str) -> None:
    file = pretrained.network_path(name)
    assert load_checkpoint_config(file) == recipe(name)
    result = json.loads((RESULTS / f"recipe-{name}.json").read_text(encoding="utf-8"))
    # The figures were measured on this very file.
    assert result["evaluation"]["checkpoint_sha256"] == load_float_network(file).source
    assert is_capped(recipe(name)) or result["evaluation"]["reached_clip"]["mean"] == 0.0
    assert pretrained.card(name).read_text(encoding="utf-8") == card(result, recipe(name))
