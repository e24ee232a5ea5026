"""Commands of other packages: entry points of the group ``zn_pipeline.commands``.

Each names a function with typer's annotations, ``train = "package.module:function"``. It is
imported when the command is called, or for the list of all commands.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from zn_pipeline.errors import PipelineError

GROUP = "zn_pipeline.commands"


class CommandGroup(TyperGroup):
    """The commands of this package, and those of others; the former cannot be replaced."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands: first those of this package."""
        own = super().list_commands(ctx)
        return [*own, *sorted(name for name in _found() if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, or None."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            return command
        entry = _found().get(cmd_name)
        return None if entry is None else _command(entry)


def _found() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _command(entry: EntryPoint) -> Any:
    """Import a command; one that cannot be imported says so when it is called."""
    try:
        function = entry.load()
    except Exception as error:  # noqa: BLE001 - a broken package must not break the others
        function = _broken(entry, error)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(entry.name)(function)
    return typer.main.get_command(app)


def _broken(entry: EntryPoint, error: Exception) -> Any:
    package = entry.dist.name if entry.dist else entry.module

    def broken(ctx: typer.Context) -> None:
        raise PipelineError(
            f"{entry.name} of {package} must be importable, received {type(error).__name__}: "
            f"{error}"
        ) from error

    broken.__doc__ = f"Cannot be imported ({package})."
    return broken
