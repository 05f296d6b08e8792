"""`python -m rnnensemble` is the command line."""

from rnnensemble.cli import main

main()
