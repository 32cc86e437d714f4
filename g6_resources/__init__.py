"""How the outside world is reached: plain clients, and the thin Dagster resource of each in `resources`."""
