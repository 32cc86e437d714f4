"""What the market is: pure functions and types. No I/O beyond packaged tables, no Dagster, no clock."""
