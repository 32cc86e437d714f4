"""`python -m g6_sim`: run the simulator in the foreground, on loopback."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from g6_market.calendar import IST, TradingCalendar
from g6_market.indices import INDICES
from g6_sim.config import ConfigError, SimConfig
from g6_sim.faults import FaultError
from g6_sim.recording import RecordingError
from g6_sim.server import SimServerError, serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and serve until interrupted; return the exit code."""
    parser = argparse.ArgumentParser(prog="g6_sim", description="A Kite Connect look-alike on this machine.")
    parser.add_argument("--port", type=int, default=8756, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=42, help="the world; the same seed gives the same market")
    parser.add_argument("--date", type=date.fromisoformat, help="trade date; by default the latest that is over")
    parser.add_argument("--replay", type=Path, metavar="DIR", help="serve the recording of --date in this folder")
    parser.add_argument("--shift-to", metavar="'2026-11-20 09:10'", help="start at this instant and run by itself")
    parser.add_argument("--indices", nargs="+", default=list(INDICES), help="underlyings to list")
    parser.add_argument("--padding-rows", type=int, default=400, help="rows of other things in the dump")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="JSON list of faults")
    parser.add_argument("--redirect-url", default="", help="where the login page sends the browser")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    now = datetime.now(IST)
    try:
        shift_to = None if given.shift_to is None else datetime.fromisoformat(given.shift_to).replace(tzinfo=IST)
        day = given.date or (shift_to.date() if shift_to else TradingCalendar.load().latest_completed(now).trade_date)
        config = SimConfig(
            trade_date=day,
            seed=given.seed,
            mode="driven" if shift_to is None else "shifted",
            shift_seconds=0.0 if shift_to is None else (shift_to - now).total_seconds(),
            replay=given.replay,
            indices=tuple(given.indices),
            padding_rows=given.padding_rows,
            faults=json.loads(given.faults.read_text(encoding="utf-8")) if given.faults else (),
            redirect_url=given.redirect_url,
        )
        serve(config, given.port)
    except (ConfigError, FaultError, RecordingError, SimServerError, OSError, ValueError) as error:
        sys.stderr.write(f"g6_sim: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
