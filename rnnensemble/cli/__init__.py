"""The command line: one file a command, its flags, and what is shown. Only this room prints."""

from rnnensemble.cli.commands import main

__all__ = ["main"]
