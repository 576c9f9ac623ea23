"""Wrong usage of the command line, reported as one line with the nearest option, command or value.

Click's own messages are boxes of several lines, which Rich draws, and of which some leave out the
value. Here their facts are put together again: the parameter, what was given, and what is allowed.
"""

import os
import typing
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from ipvae_snn.choices import choose, suggestion
from ipvae_snn.errors import IpvaeError, brief

# Click's UsageError: of Click itself, or of the one that typer carries and does not export.
USAGE_ERROR: Final[type[Exception]] = typer.BadParameter.__mro__[1]
# Other words for options, without dashes.
SYNONYMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "count": "limit",
        "dataset": "data",
        "destination": "out",
        "force": "overwrite",
        "format": "plots-format",
        "images": "limit",
        "iterations": "steps",
        "jobs": "threads",
        "n": "limit",
        "output": "out",
        "silent": "quiet",
        "time_steps": "steps",
        "timesteps": "steps",
        "workers": "threads",
    }
)
SHOULD: Final = "Input should be "  # begins messages of typer's that leave out the value


class UsageError(IpvaeError):
    """A command, an option or a value is wrong or missing; exit status 2."""


class Command(TyperCommand):
    """A command whose wrong usage is one line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; raise UsageError for wrong ones."""
        given = tuple(args)
        try:
            return super().parse_args(ctx, args)
        except USAGE_ERROR as error:
            raise _usage_error(error, ctx, given) from error


class Group(TyperGroup):
    """A group of commands whose wrong usage is one line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options before the command; raise UsageError for wrong ones."""
        given = tuple(args)
        try:
            return super().parse_args(ctx, args)
        except USAGE_ERROR as error:
            if not given:  # the help is shown instead
                raise
            raise _usage_error(error, ctx, given) from error

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first argument names; raise UsageError for another word."""
        if not args[0].startswith("-"):
            choose(args[0], self.list_commands(ctx), f"command of {ctx.command_path}", UsageError)
        return super().resolve_command(ctx, args)


def _usage_error(error: Any, ctx: Any, given: Sequence[str]) -> UsageError:
    """Return the error in our words; error: of Click; given: arguments of the command."""
    parameter, option = getattr(error, "param", None), getattr(error, "option_name", None)
    if hasattr(error, "possibilities"):
        known = {name.lstrip("-"): name for name in _option_names(ctx.command.params)}
        hint = suggestion(str(option).lstrip("-"), known, SYNONYMS).replace("'", "'--", 1)
        text = f"{ctx.command_path} has no option {brief(option)}{hint}"
    elif hasattr(error, "param_type") and parameter is not None:
        text = f"{_named(parameter)} is missing ({parameter.help.rstrip('.')})"
    elif parameter is not None and (found := _value(parameter, given)) is not None:
        name, value = found
        allowed = _choices(ctx.command, parameter.name)
        if allowed and value not in allowed:
            try:
                choose(value, allowed, f"value of {name}", UsageError)
            except UsageError as wrong:
                return wrong
        detail = error.message.rstrip(".")
        if detail.startswith(SHOULD):
            detail = "but should be " + detail.removeprefix(SHOULD).partition(",")[0]
        text = f"{name}: {detail}" if value in detail else f"{name} is {brief(value)}, {detail}"
    else:
        text = error.format_message().rstrip(".")
        text = text[:1].lower() + text[1:]
    return UsageError(f"{text}; see {ctx.command_path} --help")


def _option_names(parameters: Sequence[Any]) -> Iterator[str]:
    """Yield the long names of the options that `--help` shows."""
    for one in parameters:
        if not getattr(one, "hidden", False):
            yield from (name for name in (*one.opts, *one.secondary_opts) if name[:2] == "--")


def _named(parameter: Any) -> str:
    """Return a parameter as users know it: option --data, or argument NETWORK."""
    if parameter.param_type_name == "argument":
        return f"argument {parameter.name.upper()}"
    return f"option {parameter.opts[0]}"


def _value(parameter: Any, given: Sequence[str]) -> tuple[str, str] | None:
    """Return the name under which a parameter was given, and its value; None if it is not found."""
    for index in range(len(given) - 1, -1, -1):
        name, equals, value = given[index].partition("=")
        if name in parameter.opts and equals:
            return name, value
        if name in parameter.opts and index + 1 < len(given):
            return name, given[index + 1]
    variables = [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or ()
    return next(((name, os.environ[name]) for name in variables if name in os.environ), None)


def _choices(command: Any, name: str) -> list[str]:
    """Return the values of a parameter that has only certain ones, else none."""
    hint = typing.get_type_hints(command.callback).get(name)
    return [str(one.value) for one in list(hint)] if isinstance(hint, type(Enum)) else []
