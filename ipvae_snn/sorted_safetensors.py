"""Make safetensors files reproducible: equal content, equal bytes, equal checksum."""

import json
from typing import Final

HEADER_LENGTH_BYTES: Final = 8
HEADER_ALIGNMENT: Final = 8


def sorted_metadata(data: bytes) -> bytes:
    """Return safetensors `data` with its metadata in sorted order.

    The library writes metadata in an order that changes from call to call; sorted, equal
    networks are equal files with an equal checksum. The file begins with the header's length
    (8 bytes, little-endian), then comes the header as JSON, padded with spaces.
    """
    length = int.from_bytes(data[:HEADER_LENGTH_BYTES], "little")
    end = HEADER_LENGTH_BYTES + length
    header = json.loads(data[HEADER_LENGTH_BYTES:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    padded = text.ljust(-(-len(text) // HEADER_ALIGNMENT) * HEADER_ALIGNMENT)
    return len(padded).to_bytes(HEADER_LENGTH_BYTES, "little") + padded + data[end:]
