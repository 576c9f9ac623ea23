"""ONNX Runtime without its telemetry. All of the toolkit imports it from here.

Since release 1.29 ONNX Runtime on Linux and macOS gathers figures about sessions and models, writes
an identifier of the device to disk, and sends them to mobile.events.data.microsoft.com. It reads
ORT_DISABLE_TELEMETRY once, when it is loaded, so the variable is set before. A user who set it,
to any value, decides.
"""

import os
from typing import Final

TELEMETRY_VARIABLE: Final = "ORT_DISABLE_TELEMETRY"

os.environ.setdefault(TELEMETRY_VARIABLE, "1")

import onnxruntime  # noqa: E402
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors  # noqa: E402

__all__ = ["TELEMETRY_VARIABLE", "onnxruntime", "ort_errors"]
