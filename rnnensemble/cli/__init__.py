"""The command line: one file a command, its flags, and what is shown. Only this room prints."""


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; a user's mistake is one line on standard error and exit status 2."""
    from rnnensemble.cli import commands  # loads tyro, which `run_sweep` does without

    commands.main(arguments)
