"""Move torch and what only its builds for CUDA need from one lock file to another.

    python .ci/locks/split.py FROM TO

A machine that has its own build of torch installs the rest from FROM.
"""

import re
import sys
from pathlib import Path

TORCH = re.compile(r"(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==")


def main(source: Path, target: Path) -> None:
    """Split the entries; an entry is a line with a pin, and its indented lines of hashes."""
    entries = re.split(r"\n(?=\S)", source.read_text(encoding="utf-8").strip())
    moved = [entry for entry in entries if TORCH.match(entry)]
    kept = [entry for entry in entries if not TORCH.match(entry)]
    if not moved or not kept:
        sys.exit(f"{source}: {len(moved)} of {len(entries)} entries are torch's; nothing is split")
    for path, part in ((source, kept), (target, moved)):
        path.write_text("\n".join(part) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
