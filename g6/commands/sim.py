"""`g6 sim`: the Kite Connect simulator in the foreground."""

from datetime import date
from pathlib import Path

from g6.commands.demo import latest_day


def run_sim(*, port: int, seed: int, day: date | None, replay: Path | None, at: str | None) -> None:
    """Serve until interrupted."""
    from g6_sim.__main__ import main

    arguments = ["--port", str(port), "--seed", str(seed), "--date", str(day or latest_day())]
    if replay is not None:
        arguments += ["--replay", str(replay)]
    if at is not None:
        arguments += ["--shift-to", f"{day or latest_day()} {at}"]
    main(arguments)
