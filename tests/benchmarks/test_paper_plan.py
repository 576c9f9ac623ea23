"""The networks of the paper's figures, their settings, and the published points."""

import math
from dataclasses import replace

import pytest

from benchmarks.paper import published
from benchmarks.paper.figures.catalogue import FIGURES, chosen
from benchmarks.paper.plan import Member, Preset, full, preset_of, quick
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.family import check_steps

MEMBER = Member("poisson", 16, 24, 512)


def test_published_points_are_read_as_published() -> None:
    points = published.landscape()
    assert len(points) == 139
    for point in points:
        assert math.hypot(1 - point.r2, 1 - point.zeros) == pytest.approx(point.distance, abs=2e-5)
    best = published.point_of("poisson", 16, 24)
    assert best is not None
    assert (round(best.r2, 3), round(best.zeros, 3)) == (0.827, 0.775)
    assert published.point_of("poisson", 16, 25) is None
    penalty = published.point_of("lca", 64, 0.5)  # whatever T we train it with
    assert penalty is not None
    assert penalty.r2 == 0.82592


def test_curves_and_the_table_are_whole() -> None:
    curves = {curve.kind: curve for curve in published.convergence()}
    assert set(curves) == {"poisson", "gaussian", "gaussian-relu"}
    assert {len(curve.r2) for curve in curves.values()} == {1000}
    assert curves["poisson"].r2[15] == 0.7075811  # step 16; the file counts from 0
    rows = published.mnist_table()
    seeds = {kind: sum(row.kind == kind for row in rows) for kind in {row.kind for row in rows}}
    assert seeds == {**dict.fromkeys(seeds, 5), "gaussian-relu": 4}  # one seed is there twice
    assert next(row for row in rows if row.kind == "poisson").mse == pytest.approx(4.38214e-3)


@pytest.mark.parametrize("preset", [quick(), full()], ids=["quick", "full"])
def test_every_network_of_a_preset_has_settings(preset: Preset) -> None:
    assert list(preset.figures) == list(FIGURES)
    members = preset.members(FIGURES)
    assert len({member.name for member in members}) == len(members)
    for member in members:
        config = preset.config(member)
        check_steps(config.model.kind, config.train.steps, config.train.segments)
        assert (config.model.kind, config.model.n_latents) == (member.kind, member.neurons)
        assert (config.train.steps, config.train.seed) == (member.steps, member.seed)
        random = member.kind not in ("lca", "predictive-coding", "incremental-predictive-coding")
        assert config.train.beta == member.beta or not random
    assert preset.config(Member("lca", 16, 0.3, 64)).model.threshold == 0.3


def test_full_has_the_published_settings_and_every_published_point() -> None:
    preset = full()
    config = preset.config(MEMBER)
    assert (config.data.name, config.data.whiten) == ("vanhateren", "vafaii")
    assert (config.train.iterations, config.train.batch_size) == (75_000, 200)
    assert (config.train.learning_rate, config.train.weight_decay) == (0.005, 3e-4)
    gaussian = preset.config(Member("gaussian", 16, 8, 512))
    assert (gaussian.model.clip, gaussian.train.clip_start) == (7.0, 1.0)
    encoded = preset.config(Member("amortised-poisson", 1, 0.1, 512))
    assert (encoded.model.encoder, encoded.model.encoder_width) == ("mlp", 128)
    assert (encoded.train.temperature_end, encoded.train.beta_ramp_fraction) == (0.05, 0.5)
    assert encoded.train.clip_start == encoded.model.clip == 10.0
    # The sum of squared errors, of pixels whose variance is 0.74 and, on MNIST, as they are.
    assert encoded.model.noise**2 == pytest.approx(0.5 / 0.742, abs=2e-3)
    digits = preset.config(Member("amortised-gaussian", 1, 1.0, 512, 0, "mnist")).model
    assert (digits.noise**2, digits.encoder) == (pytest.approx(0.5), "convolutional")
    planned = {(m.kind, m.steps, m.beta) for m in preset.figures["landscape"]}
    for point in published.landscape():
        assert (point.kind, point.steps or 64, point.beta) in planned
    table = preset.figures["mnist_table"]
    assert len(table) == len(published.mnist_table())
    one = next(m for m in table if m.kind == "poisson")
    assert (one.steps, one.beta, one.name) == (128, 128.0, "poisson-T128-b128-K512-s0-mnist")
    assert MEMBER.name == "poisson-T16-b24-K512-s0"


def test_lca_starts_from_a_neighbour_that_is_trained_before_it() -> None:
    """Away from lambda .5: .4 from .5, .3 from .4; .6 from .5, and so on. One step is one start."""
    preset = full()
    some = [member for member in preset.members(["landscape"]) if member.kind == "lca"]
    assert len(some) == len({member.beta for member in some}) == 18
    starts = {member.beta: preset.start_of(member) for member in some}
    assert starts.pop(0.5) is None
    before = {beta: start.beta for beta, start in starts.items() if start is not None}
    assert (before[0.4], before[0.3], before[0.6], before[10.0]) == (0.5, 0.4, 0.5, 5.0)
    places = [member.beta for member in some]
    assert all(places.index(start) < places.index(beta) for beta, start in before.items())
    assert preset.config(some[0]).train.iterations == 4000
    assert preset.config(some[1]).train.iterations == 1000
    assert preset.start_of(MEMBER) is None
    alone = preset.only(some[3:])  # what is trained is drawn without what it began with
    assert alone.config(some[3]) == preset.config(some[3])
    assert set(alone.members(["landscape"])) == set(some[3:])
    assert preset_of("full", 9).config(some[1]).train.iterations == 9


def test_presets_and_figures_are_found_by_name() -> None:
    assert preset_of("quick", 7).config(MEMBER).train.iterations == 7
    assert chosen("latents, landscape,latents") == ("latents", "landscape")
    assert chosen(None) == tuple(FIGURES)
    with pytest.raises(ConfigError, match=r"^no preset is called 'fast'; there are quick, full$"):
        preset_of("fast")
    with pytest.raises(
        ConfigError, match=r"^no figure is called 'angle' \(did you mean 'angles'\?\)"
    ):
        chosen("angle")


def test_learnt_updates_are_judged_at_their_own_steps() -> None:
    hybrid = Member("iterative-amortised-poisson", 16, 16, 64, 0, "mnist")
    assert quick().judged(hybrid).steps == 16
    assert quick().judged(replace(hybrid, kind="amortised-poisson", steps=1)).steps == 1
    assert quick().judged(MEMBER).steps == 200
    assert [quick().judged(replace(hybrid, seed=s)).generalise for s in (0, 1)] == [True, False]
    assert not quick().judged(MEMBER).generalise
