"""Explicit gradient of unrolled inference against automatic differentiation, in float64."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sampled import Sampled
from torch import Tensor

import small
from ipvae_snn.config.settings import RelaxationKind
from ipvae_snn.kernels import spike_products as products
from ipvae_snn.models import dictionary, linear_gaussian
from ipvae_snn.models.parameters import Parameters
from ipvae_snn.models.relaxations import RELAXATIONS
from ipvae_snn.training import objective
from ipvae_snn.training.straight_through import FakeRounding
from ipvae_snn.training.unrolled import unrolled_inference
from ipvae_snn.training.unrolling import Unrolling

M, K, B = 18, 13, 6
# So late a cut-off leaves out nothing that float64 can see, and no sample jumps.
NO_CUTOFF = 45.0


def unrolling(**changes: Any) -> Unrolling:
    """Return five steps with everything switched on that has an effect."""
    unrolling = replace(small.small_unrolling(5, clip=5.0, temperature=0.3), **changes)
    keys = unrolling.samples * unrolling.updates + 1
    return replace(unrolling, keys=np.random.SeedSequence(4).generate_state(keys, np.uint64))


def leaves(seed: int = 0, scale: float = 0.3) -> list[Tensor]:
    """Return phi, log_sigma, u0, log_bias and log_lr of a lively little network, float64."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=g)

    values = (
        normal(M, K) * scale,
        normal(1, M) * 0.2,
        normal(1, K) * 0.7,
        normal(1, K) * 0.3 - 1.0,
        torch.tensor(-0.7, dtype=torch.float64),
    )
    return [value.requires_grad_() for value in values]


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


def both(
    unrolling: Unrolling,
    x: Tensor,
    beta: float,
    scale: float = 0.3,
    rounding: FakeRounding | None = None,
) -> tuple[objective.Unrolled, objective.Unrolled]:
    """Check that both ways agree in the loss, what is logged and every gradient; return them."""
    values = leaves(scale=scale)
    p = Parameters(*values)

    def sample(u: Tensor, update: int) -> Tensor:
        # torch leaves Function.apply without types.
        z: Tensor = Sampled.apply(u, update, unrolling)  # type: ignore[no-untyped-call]
        return z

    fast = objective.unrolled_loss(p, x, beta, unrolling, rounding)
    plain = objective.unrolled_plain(p, x, sample, beta, unrolling, rounding)
    for name in ("loss", "nll", "kl", "messages", "spikes", "rate", "max_rate"):
        result, expected = getattr(fast, name), getattr(plain, name)
        torch.testing.assert_close(result, expected, rtol=1e-12, atol=0, msg=name)
    result = torch.autograd.grad(fast.loss, values)
    expected = torch.autograd.grad(plain.loss, values)
    for name, one, other in zip(
        ("phi", "log_sigma", "u0", "log_bias", "log_lr"), result, expected, strict=True
    ):
        assert one.shape == other.shape
        largest = other.abs().max().item()
        assert largest > 0, name
        assert (one - other).abs().max().item() <= 1e-12 * largest, name
    return fast, plain


@pytest.mark.parametrize("code_form", [True, False])
@pytest.mark.parametrize(("updates_per_step", "leak"), [(1, 0.0), (3, 0.3), (2, 0.0)])
@pytest.mark.parametrize("n_frames", [0, 1, 3])
def test_loss_and_gradients_equal_automatic_ones(
    code_form: bool, updates_per_step: int, leak: float, n_frames: int
) -> None:
    settings = unrolling(code_form=code_form, updates_per_step=updates_per_step, leak=leak)
    both(settings, images(B, n_frames, M) if n_frames else images(B, M), beta=2.0)


@pytest.mark.parametrize("relaxation", ["sigmoid", "cubic"])
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize(("updates_per_step", "leak", "n_frames"), [(1, 0.0, 0), (3, 0.3, 3)])
@pytest.mark.parametrize("share", [-1.0, 0.5, 2.0])
def test_either_relaxation_and_number_of_samples(
    relaxation: RelaxationKind,
    samples: int,
    updates_per_step: int,
    leak: float,
    n_frames: int,
    share: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(products, "DENSE_SHARE", share)
    settings = unrolling(
        relaxation=relaxation,
        cutoff=RELAXATIONS[relaxation].cutoff,
        samples=2,  # has the keys of both
        updates_per_step=updates_per_step,
        leak=leak,
    )
    x = images(B, n_frames, M) if n_frames else images(B, M)
    settings = replace(settings, samples=samples)
    result, _ = both(settings, x, beta=2.0)
    both(settings, x, beta=2.0, rounding=FakeRounding.of(x, 3))
    other, _ = both(replace(settings, samples=3 - samples), x, beta=2.0)
    assert result.loss.item() != other.loss.item()
    # Inference sees the first sample alone.
    assert result.kl.item() == other.kl.item()


@pytest.mark.parametrize(("updates_per_step", "leak", "n_frames"), [(1, 0.0, 0), (3, 0.3, 3)])
@pytest.mark.parametrize("share", [-1.0, 0.5, 2.0])
@pytest.mark.parametrize("bits", [2, 4])
def test_quantise_aware_loss_and_gradients_equal_automatic_ones(
    updates_per_step: int,
    leak: float,
    n_frames: int,
    share: float,
    bits: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # share: dense, mixed and sparse products; rounded competition is not symmetric.
    monkeypatch.setattr(products, "DENSE_SHARE", share)
    settings = unrolling(updates_per_step=updates_per_step, leak=leak)
    x = images(B, n_frames, M) if n_frames else images(B, M)
    x[..., 3] = 0.5  # a pixel that never changes
    fast, _ = both(settings, x, beta=2.0, rounding=FakeRounding.of(x, bits))
    exact, _ = both(settings, x, beta=2.0)
    assert abs(fast.loss.item() - exact.loss.item()) > 1e-4


@pytest.mark.parametrize(("updates_per_step", "leak", "n_frames"), [(1, 0.0, 0), (3, 0.3, 3)])
@pytest.mark.parametrize(("message_price", "spike_price"), [(0.7, 0.0), (0.0, 0.4), (0.5, 0.2)])
def test_prices_and_their_gradient(
    message_price: float, spike_price: float, updates_per_step: int, leak: float, n_frames: int
) -> None:
    free = unrolling(updates_per_step=updates_per_step, leak=leak)
    x = images(B, n_frames, M) if n_frames else images(B, M)
    priced = replace(free, priced=True, message_price=message_price, spike_price=spike_price)
    result, _ = both(priced, x, beta=2.0)
    both(priced, x, beta=2.0, rounding=FakeRounding.of(x, 3))
    without, _ = both(free, x, beta=2.0)
    charged = message_price * result.messages + spike_price * result.spikes
    expected = without.loss + charged * objective.REFERENCE_PIXELS / M
    torch.testing.assert_close(result.loss, expected, rtol=1e-12, atol=0)
    assert 0 < result.messages < min(K, float(result.spikes))


def test_messages_are_the_chance_to_send_before_each_update() -> None:
    # One update from u0: only u0's potentials send.
    values = leaves()
    settings = unrolling(steps=1, priced=True, message_price=1.0)
    result = objective.unrolled_loss(Parameters(*values), images(B, M), 0.0, settings)
    rates = values[2].detach().exp()
    torch.testing.assert_close(result.messages, (1 - torch.exp(-rates)).sum(), rtol=1e-12, atol=0)
    torch.testing.assert_close(result.spikes, rates.sum(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("n_frames", [0, 3])
def test_late_steps_weigh_more(samples: int, n_frames: int) -> None:
    settings = replace(unrolling(samples=2), samples=samples, late_power=2.0)
    x = images(B, n_frames, M) if n_frames else images(B, M)
    result, _ = both(settings, x, beta=2.0)
    both(settings, x, beta=2.0, rounding=FakeRounding.of(x, 3))
    equal, _ = both(replace(settings, late_power=0.0), x, beta=2.0)
    assert result.kl.item() == equal.kl.item()
    assert result.nll.item() != equal.nll.item()
    assert sum(settings.step_weights) == pytest.approx(settings.steps)
    assert settings.step_weights[1] == pytest.approx(4 * settings.step_weights[0])


@pytest.mark.parametrize("temperature", [1.0, 0.05])
def test_at_any_temperature(temperature: float) -> None:
    both(unrolling(temperature=temperature), images(B, M), beta=2.0)


@pytest.mark.parametrize("share", [-1.0, 0.5, 2.0])
def test_dense_mixed_and_sparse_products(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # -1 makes every product dense and 2 every one sparse; a part of these counts is below 0.5.
    monkeypatch.setattr(products, "DENSE_SHARE", share)
    both(unrolling(temperature=0.05, updates_per_step=2, leak=0.1), images(B, M), beta=2.0)


def test_where_the_clips_bite() -> None:
    # Strong input and a low clip: potentials lie at both ends, not only between them.
    settings = unrolling(clip=1.5, floor=-2.0, steps=6, updates_per_step=2, leak=0.2)
    values, x = leaves(scale=0.5), 5.0 * images(B, M)
    u = _last_potentials(values, x, settings)
    assert (u > 1.0).any()
    assert (u < -1.9).any()
    both(settings, x, beta=0.5, scale=0.5)


def test_without_kl_and_with_unused_frames() -> None:
    # Six frames for three steps: every other one is never seen, and has no part in the loss.
    settings, x = unrolling(steps=3), images(B, 6, M)
    fast, _ = both(settings, x, beta=0.0)
    other = x.clone()
    other[:, 1::2] = 7.0
    again = objective.unrolled_loss(Parameters(*leaves()), other, 0.0, settings)
    assert again.loss.item() == fast.loss.item()


def test_gradient_is_the_finite_difference() -> None:
    # Fixed keys and a late cut-off make the loss a smooth function of everything.
    settings = unrolling(cutoff=NO_CUTOFF, updates_per_step=2, leak=0.2, steps=3)
    values, x, step = leaves(), images(B, 2, M), 1e-6
    loss = objective.unrolled_loss(Parameters(*values), x, 2.0, settings).loss
    gradients = torch.autograd.grad(loss, values)
    g = torch.Generator().manual_seed(4)
    for i, gradient in enumerate(gradients):
        direction = torch.randn(gradient.shape, dtype=torch.float64, generator=g)
        ends = []
        for sign in (1, -1):
            moved = [v.detach().clone() for v in values]
            moved[i] += sign * step * direction
            ends.append(objective.unrolled_loss(Parameters(*moved), x, 2.0, settings).loss.item())
        slope = (ends[0] - ends[1]) / (2 * step)
        assert slope == pytest.approx((gradient * direction).sum().item(), rel=1e-6)


def test_incoming_gradients_scale_and_add() -> None:
    settings, x = unrolling(), images(B, M)
    arguments = _gram_space(leaves(), x)
    fit, kl, *_ = unrolled_inference(*arguments, settings)
    both_at_once = torch.autograd.grad(2.0 * fit - 3.0 * kl, arguments)
    fit, kl, *_ = unrolled_inference(*arguments, settings)
    of_fit = torch.autograd.grad(fit, arguments)
    fit, kl, *_ = unrolled_inference(*arguments, settings)
    of_kl = torch.autograd.grad(kl, arguments)
    for total, one, other in zip(both_at_once, of_fit, of_kl, strict=True):
        torch.testing.assert_close(total, 2.0 * one - 3.0 * other, rtol=1e-10, atol=1e-12)


def test_two_losses_may_be_open_at_once() -> None:
    # What one forward pass keeps must not be touched by the next one.
    settings, x = unrolling(), images(B, M)
    arguments = _gram_space(leaves(), x)
    alone = torch.autograd.grad(unrolled_inference(*arguments, settings)[0], arguments)
    first = unrolled_inference(*arguments, settings)[0]
    second = unrolled_inference(*_gram_space(leaves(1), images(B, M) * 2), settings)[0]
    for _ in range(2):
        result = torch.autograd.grad(first, arguments, retain_graph=False)
        for one, other in zip(result, alone, strict=True):
            assert torch.equal(one, other)
        first = unrolled_inference(*arguments, settings)[0]
    assert torch.isfinite(second)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("share", [-1.0, 2.0])
def test_threads_change_no_bit(
    kind: torch.dtype, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "DENSE_SHARE", share)
    x = images(53, M).to(kind)
    results = []
    for threads in (1, 2, 3):
        settings = unrolling(updates_per_step=2, leak=0.1, threads=threads)
        values = [v.detach().to(kind).requires_grad_() for v in leaves()]
        loss = objective.unrolled_loss(Parameters(*values), x, 2.0, settings).loss
        results.append([loss, *torch.autograd.grad(loss, values)])
    for other in results[1:]:
        for one, another in zip(results[0], other, strict=True):
            if share == 2.0:
                assert torch.equal(one, another)
            else:  # the library's dense product may round otherwise in other lots of rows
                tolerance = 1e-5 if kind == torch.float32 else 1e-13
                largest = another.abs().max().item()
                torch.testing.assert_close(one, another, rtol=0, atol=tolerance * largest)


def test_a_part_of_the_batch_has_the_noise_of_the_whole() -> None:
    x = images(B, M)
    arguments = _gram_space(leaves(), x)
    G, b, *rest = (a.detach() for a in arguments)
    u = unrolled_inference(G, b, *rest, unrolling()).u
    for first, last in ((0, 2), (2, B)):
        settings = unrolling(first_row=first)
        part = unrolled_inference(G, b[:, first:last].contiguous(), *rest, settings).u
        torch.testing.assert_close(part, u[first:last], rtol=1e-12, atol=0)


def test_arrivals_count_the_busiest_sample() -> None:
    # u0 of e^3 = 20 spikes takes 20 * (1 + 6 * 0.3) + 1 arrivals; the input drives it down.
    values = leaves()
    arguments = list(_gram_space(values, images(B, M) * 0.1))
    arguments[2] = torch.full((1, K), 3.0, dtype=torch.float64)
    arrivals = unrolled_inference(*(a.detach() for a in arguments), unrolling()).arrivals
    expected = np.exp(3.0) * (1 + 6 * 0.3) + 1
    assert arrivals.item() == pytest.approx(expected, abs=5 * np.sqrt(expected / (B * K)))


def test_gradient_of_the_gram_matrix() -> None:
    phi, log_sigma = leaves()[:2]
    weights = images(K, K)  # not symmetric, as the gradient is not
    result = torch.autograd.grad(
        (dictionary.gram(phi, log_sigma) * weights).sum(), (phi, log_sigma)
    )
    expected = torch.autograd.grad(
        (linear_gaussian.gram(phi, log_sigma) * weights).sum(), (phi, log_sigma)
    )
    for one, other in zip(result, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_schedule_of_updates() -> None:
    # Two outer steps of three updates each, four frames: steps see frames 0 and 2.
    settings = unrolling(steps=2, updates_per_step=3)
    assert [settings.frame(i, 4) for i in range(1, 7)] == [0, 0, 0, 2, 2, 2]
    assert [settings.start(i) for i in range(1, 7)] == [0, 0, 0, 3, 3, 3]
    assert [settings.in_loss(i) for i in range(1, 7)] == [False, False, True, False, False, True]


PEAK = """
import re, sys
from pathlib import Path
import numpy as np, torch
from ipvae_snn.training.unrolled import unrolled_inference
from ipvae_snn.training.unrolling import Unrolling

K, B = 256, 256

def memory(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

def run(T):
    keys = np.arange(T + 1, dtype=np.uint64)
    settings = Unrolling(T, 1, 0.0, 10.0, -8.0, True, 0.1, 6.0, keys)
    u0 = torch.full((1, K), -2.0).requires_grad_()
    fit, kl, *_ = unrolled_inference(
        torch.eye(K).requires_grad_(), torch.full((1, B, K), 0.1), u0,
        torch.full((1, K), -3.0), torch.tensor(-2.0), settings,
    )
    (fit + kl).backward()

torch.set_num_threads(1)
run(2)
for steps in (16, 64):
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak, VmHWM
    before = memory("VmRSS")
    run(steps)
    print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_memory_grows_by_the_history_alone() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PEAK], check=True, capture_output=True, text=True
    ).stdout.split()
    # u, z, slope and lateral of every update, float32 (256, 256): 50 MB for the other 48 steps.
    history = (64 - 16) * 4 * 256 * 256 * 4
    assert 0.9 * history < int(result[1]) - int(result[0]) < 1.3 * history


def _gram_space(values: list[Tensor], x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return G, b, u0, log_bias and log_lr as leaves."""
    phi, log_sigma, u0, log_bias, log_lr = (v.detach() for v in values)
    G = linear_gaussian.gram(phi, log_sigma)
    b = linear_gaussian.feed_forward(x.unsqueeze(0), phi, log_sigma)
    tensors = (G, b, u0, log_bias, log_lr)
    # A tuple from a generator has no known length.
    return tuple(t.clone().requires_grad_() for t in tensors)  # type: ignore[return-value]


def _last_potentials(values: list[Tensor], x: Tensor, unrolling: Unrolling) -> Tensor:
    return unrolled_inference(*(t.detach() for t in _gram_space(values, x)), unrolling).u
