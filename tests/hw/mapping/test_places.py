"""Places on a mesh: public figures, hops by hand, and no swap that shortens routes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.hw.chips.profile import load_profile
from ipvae_snn.hw.mapping.assign_slots import place
from ipvae_snn.hw.mapping.mesh import Mesh, mesh_of, near_square


@pytest.mark.parametrize(
    ("cores", "wanted"), [(1, (1, 1)), (2, (2, 1)), (12, (4, 3)), (13, (4, 4)), (128, (16, 8))]
)
def test_near_square(cores: int, wanted: tuple[int, int]) -> None:
    """Whole rectangles up to 2:1, else the least square-like one that holds them."""
    assert near_square(cores) == wanted


def test_the_meshes_of_the_chips() -> None:
    """Loihi 1's tiles of 4 cores are published; Loihi 2's mesh is not, and is marked as assumed."""
    assert mesh_of(load_profile("loihi1"), 130) == Mesh(8, 4, 4, 128, 128, 2, False)
    assert mesh_of(load_profile("loihi2"), 121) == Mesh(16, 8, 1, 128, 120, 2, True)


def test_hops_by_hand() -> None:
    """2 x 2 tiles of 2 cores, 8 usable: slots 0, 1 | 2, 3 above 4, 5 | 6, 7; chip 1 from slot 8."""
    mesh = Mesh(2, 2, 2, 8, 8, 2, False)
    a, b = np.array([0, 0, 0, 0, 1]), np.array([1, 2, 6, 8, 15])
    np.testing.assert_array_equal(mesh.hops(a, b), [0, 1, 2, 2, 4])
    np.testing.assert_array_equal(mesh.chip(b), [0, 0, 0, 1, 1])


def test_a_chain_lies_along_neighbours() -> None:
    """9 cores in a ring on 3 x 3 tiles cannot do with less than 10 hops (odd cycle on a grid)."""
    order = np.random.default_rng(3).permutation(9)
    flow = np.zeros((9, 9))
    flow[order, np.roll(order, 1)] = 1.0
    mesh = Mesh(3, 3, 1, 9, 9, 1, False)
    slot = place(flow, mesh)
    assert sorted(slot) == list(range(9))
    assert (flow * mesh.hops(slot[:, None], slot[None, :])).sum() == 10


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
@settings(max_examples=30, deadline=None)
def test_no_swap_makes_a_placement_shorter(seed: int, cores: int) -> None:
    """Also none with an empty slot: the cost is summed anew for each."""
    flow = np.random.default_rng(seed).integers(0, 9, (cores, cores)).astype(float)
    mesh = Mesh(4, 4, 1, 16, 14, 1, True)
    slot = place(flow, mesh)
    full = np.zeros((14, 14))
    full[:cores, :cores] = flow
    where = np.concatenate([slot, np.setdiff1d(np.arange(14), slot)])
    np.fill_diagonal(full, 0)

    def cost(at: np.ndarray) -> float:
        return float((full * mesh.hops(at[:, None], at[None, :])).sum())

    for i, j in itertools.combinations(range(14), 2):
        other = where.copy()
        other[[i, j]] = other[[j, i]]
        assert cost(other) >= cost(where) - 1e-6
