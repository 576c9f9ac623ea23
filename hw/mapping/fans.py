"""Targets of each source on each core."""

from typing import Any

import numpy as np
from scipy import sparse

from ipvae_snn.arrays import Int32


def fan_of(pattern: Any, core_of: Int32, cores: int) -> Any:
    """Return the number of targets of each source on each core: (sources, cores) sparse."""
    n = len(core_of)
    member = sparse.csr_array((np.ones(n, np.int32), (np.arange(n), core_of)), shape=(n, cores))
    return (pattern.T.astype(np.int32) @ member).tocsr()
