"""Quantisation-aware training: what is rounded, how gradients pass, and that off changes nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_train import CONFIG, TEST, TRAIN, files, killer
from test_unrolled import B, K, M, Sampled, images, leaves, unrolling
from torch import Tensor
from typer.testing import CliRunner

from ipvae_snn import functional, objective
from ipvae_snn import spike_products as products
from ipvae_snn.checkpoint import load_checkpoint_config
from ipvae_snn.cli.app import app
from ipvae_snn.config import Config, ModelConfig, from_toml, with_overrides
from ipvae_snn.errors import ConfigError
from ipvae_snn.fake_rounding import (
    FakeRounding,
    Rounded,
    rounded_rows,
    rounded_rows_plain,
    straight_through,
)
from ipvae_snn.model import Parameters
from ipvae_snn.train import train
from ipvae_snn.unrolled import unrolled_inference
from ipvae_snn.validation import validate
