"""`python -m g6` is the `g6` command."""

from g6.cli import main

main()
