"""Old path of `ipvae_snn.ir.sampler`, kept for one version."""

from ipvae_snn.ir.sampler import (
    BUCKETS_LOG2,
    MAX_PART_COUNT,
    MAX_PARTS_LOG2,
    SPLIT_OCTAVES,
    SamplerTables,
    Uniforms,
    least_spiking_uniforms,
    part_count,
    part_rate,
    parts_log2,
    spike_counts,
)

__all__ = [
    "BUCKETS_LOG2",
    "MAX_PARTS_LOG2",
    "MAX_PART_COUNT",
    "SPLIT_OCTAVES",
    "SamplerTables",
    "Uniforms",
    "least_spiking_uniforms",
    "part_count",
    "part_rate",
    "parts_log2",
    "spike_counts",
]
