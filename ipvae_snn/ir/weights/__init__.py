"""Weights of a connection: what each kind answers for itself.

Nothing outside asks how they are stored: sums, bounds, fan-in and fan-out are methods, and a dense
matrix is made only where a back end wants one.
"""

from ipvae_snn.ir.weights.convolution import Convolution, Transposed
from ipvae_snn.ir.weights.dense import Dense
from ipvae_snn.ir.weights.geometry import Geometry
from ipvae_snn.ir.weights.protocol import Weights
from ipvae_snn.ir.weights.sparse import Sparse

__all__ = ["Convolution", "Dense", "Geometry", "Sparse", "Transposed", "Weights"]
