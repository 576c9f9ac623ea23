"""Gradient of the training loss of a stack of networks, by explicit passes there and back.

The loss is that of `objective`: nll + beta KL, means over images and steps, with the lateral
weights G = phi^T diag(1/sigma^2) phi and the drive b = phi^T diag(1/sigma^2) x formed once.
"""

import torch
from torch import Tensor

from ipvae_snn.models.parameters import bounded
from ipvae_snn.training.objective import REFERENCE_PIXELS
from ipvae_snn.training.together.history import Constants, History, Passes


def gradient(
    passes: Passes,
    p: dict[str, Tensor],
    x: Tensor,
    c: Constants,
    h: History,
    log_sigma_limit: float,
) -> dict[str, Tensor]:
    """Return the gradient of each network's loss to its parameters p, for images x (E, B, M).

    p holds phi (E, M, K), log_sigma (E, 1, M) before its bound, and the model's own. The weights of
    fit and KL are those in c; the history is overwritten.
    """
    phi, raw = p["phi"], p["log_sigma"]
    log_sigma = bounded(raw, log_sigma_limit)
    precision = torch.exp(-2.0 * log_sigma)
    column = precision.transpose(1, 2)
    lateral_weights = phi.transpose(1, 2) @ (phi * column)
    scaled = x * precision
    torch.bmm(scaled, phi, out=h.b)
    h.clear()
    last = h.length - 1
    passes.begin(p, c, h)
    for i in range(last):
        torch.bmm(h.z[:, i], lateral_weights, out=h.lateral[:, i])
        passes.forward(p, c, h, i + 1)
    torch.bmm(h.z[:, last], lateral_weights, out=h.lateral[:, last])
    for i in range(last, 0, -1):
        passes.backward(p, c, h, i)
        torch.bmm(h.to_drive, lateral_weights, out=h.competition)  # G is symmetric
    gradients = passes.finish(p, h)
    # The way back left each update's factor of G's gradient in place of z G.
    h.lateral[:, 0] = -h.to_drive
    to_G = h.z.flatten(1, 2).transpose(1, 2) @ h.lateral.flatten(1, 2)
    product = phi @ (to_G + to_G.transpose(1, 2))
    of_drive = x.transpose(1, 2) @ h.to_b
    gradients["phi"] = column * (product + of_drive)
    # Each pixel's precision scales its row of both, and its squared error.
    energy = 0.5 * (x * x).mean(1, keepdim=True)
    to_precision = (phi * (0.5 * product + of_drive)).sum(2)[:, None, :] + energy
    to_log_sigma = 1.0 - 2.0 * precision * to_precision
    if log_sigma_limit > 0:
        to_log_sigma = to_log_sigma * (1.0 - (log_sigma / log_sigma_limit) ** 2)
    gradients["log_sigma"] = to_log_sigma
    scale = REFERENCE_PIXELS / x.shape[-1]
    return {name: scale * value for name, value in gradients.items()}
