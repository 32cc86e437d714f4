"""`python -m g6` is the `g6` command."""

from g6.cli import main

# A child process that the command spawns imports this module again.
if __name__ == "__main__":
    main()
