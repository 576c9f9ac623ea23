"""Shapes of the integer network's arrays: N images, M pixels, K neurons; int64 in a run.

A type checker reads the element type only; tests/support/shape_checks.py also checks the axes.
Within one call an axis name stands for one length, "_" for any, "*shape" for any axes.
"""

from typing import Annotated

from ipvae_snn.arrays import Float32, Int64, UInt8

Images = Annotated[UInt8, "N M"]
FloatImages = Annotated[Float32, "N M"]
PerImage = Annotated[Int64, "N"]
PerPixel = Annotated[Int64, "N M"]
PerNeuron = Annotated[Int64, "N K"]
Held = Annotated[Int64, "N _"]  # one-layer: currents (N, K); two-layer: payloads (N, M)
Saturated = Annotated[Int64, "N 5"]  # by trace.SATURATIONS
OfNeurons = Annotated[Int64, "K"]
OfTargets = Annotated[Int64, "targets"]
OfSources = Annotated[Int64, "sources"]
Elements = Annotated[Int64, "*shape"]
Table = Annotated[Int64, "256"]
