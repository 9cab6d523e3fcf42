"""`mrsim completion`: what a shell needs to complete commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ..core.errors import InputError, did_you_mean
from .options import json_option
from .output import write_json

HOMES = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/completions/mrsim.fish"}
"""Where each shell looks."""


@click.command("completion")
@click.argument("shell", metavar="bash|zsh|fish")
@json_option
def command(shell: str, as_json: bool) -> None:
    """Print the script with which a shell completes mrsim's commands, options and names."""
    from . import cli

    kind = get_completion_class(shell)
    if shell not in HOMES or kind is None:
        hint = did_you_mean(shell, [*HOMES])
        raise InputError(f"no completion for '{shell}'{hint}; there is one for {', '.join(HOMES)}", key="completion")
    script = kind(cli, {}, "mrsim", "_MRSIM_COMPLETE").source()
    if as_json:
        write_json({"shell": shell, "file": HOMES[shell], "script": script})
    else:
        click.echo(script)
