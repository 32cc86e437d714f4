"""What G6 costs, measured: one module per area, each with `results() -> list[dict]`."""
