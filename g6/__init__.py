"""The door for people: the `g6` command and the analyst's Python API."""
