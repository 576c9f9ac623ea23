"""Form of the commands: examples under `--help`, and old names of options."""

from collections.abc import Mapping
from typing import Any

from ipvae_snn.cli.usage import Command


def examples(*lines: str) -> str:
    """Return the text under a command's `--help`; lines: commands without `ipvae-snn`."""
    return "\n".join(["Examples:", *(f"  ipvae-snn {line}" for line in lines)])


def with_old_names(old: Mapping[str, str]) -> type[Command]:
    """Return a class of commands that read old names of options for one more version.

    old: old names, such as --images, and the names that replace them. `--help` does not show them.
    """

    class Renamed(Command):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            """Replace old names before a `--`, and parse."""
            end = args.index("--") if "--" in args else len(args)
            return super().parse_args(ctx, [*map(_renamed, args[:end]), *args[end:]])

    def _renamed(argument: str) -> str:
        name, equals, value = argument.partition("=")
        return f"{old.get(name, name)}{equals}{value}"

    return Renamed
