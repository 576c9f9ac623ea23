"""Keys of a chip profile, and the unit of each number."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# A limit is an integer.
LIMIT_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cores_per_chip": "cores",
        "usable_cores_per_chip": "cores",
        "neurons_per_core": "neurons",
        "axons_in_per_core": "axons",
        "axons_out_per_core": "axons",
        "synapse_words_per_core": "words",
        "synapse_word_bits": "bits",
        "synapses_per_word": "synapses",
        "words_per_axon": "words",
        "core_memory_bytes": "bytes",
        "synapse_memory_bytes": "bytes",
        "weight_bits": "bits",
        "payload_bits": "bits",
        "state_bits": "bits",
        "accumulator_bits": "bits",
        "state_bytes_per_neuron": "bytes",
        "max_delay": "steps",
        "noise_bits": "bits",
        "mesh_columns": "tiles",
        "mesh_rows": "tiles",
        "cores_per_tile": "cores",
    }
)
FEATURES: Final = ("graded_spikes", "programmable_neuron", "exponential", "keyed_noise")
# May be left out, which says that nothing is public.
OPTIONAL_FEATURES: Final = ("weight_sharing",)
EVENTS: Final = (
    "synaptic_operation", "neuron_access", "neuron_update_active", "neuron_update_inactive",
    "spike_out", "message", "spike_within_tile", "hop_east_west", "hop_north_south",
    "synapse_word_read", "barrier",
)  # fmt: skip
# Of a processor: arithmetic, and words of 64 bits read from a memory of that size.
CPU_OPERATIONS: Final = (
    "int8_add", "int8_multiply", "int32_add", "int32_multiply", "fp32_add", "fp32_multiply",
    "word_8_kib", "word_32_kib", "word_1_mib", "word_dram",
)  # fmt: skip
ENERGY_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys((*EVENTS, *CPU_OPERATIONS), "pJ")
)
TIME_UNITS: Final[Mapping[str, str]] = MappingProxyType(dict.fromkeys(EVENTS, "ns"))
STATIC_UNITS: Final[Mapping[str, str]] = MappingProxyType({"chip_power": "mW"})
