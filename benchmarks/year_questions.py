"""The six questions asked of the year, in SQL that our views and a native DuckDB file both understand.

q1 the latest chain, q2 the at-the-money straddle of a day, q3 the put-call ratio by minute of a month, q4 the
at-the-money volatility at 10:00 of every day, q5 volume and open interest by index, weekday and offset over all legs,
q6 each leg of a day beside the spot as of its time.
"""

from dataclasses import dataclass
from datetime import date

from benchmarks.year import sessions

DAY = sessions()[-2]
MONTH = (date(2026, 7, 1), date(2026, 7, 31))

_CHAIN = "strike, option_type, last_price, bid_price, ask_price, oi, volume, iv, delta, gamma, theta, vega"
_EXPIRY = (
    "SELECT expiry FROM expiries WHERE trade_date = DATE '{day}' AND underlying = '{index}' AND expiry_tag = '{tag}'"
)


def _expiry(index: str, tag: str) -> str:
    return _EXPIRY.format(day=DAY, index=index, tag=tag)


MACROS = {
    "q1": f"SELECT {_CHAIN} FROM chain('NIFTY', 'this_week', '{DAY} 15:30')",
    "q2": f"SELECT snapshot_at, straddle FROM straddle('BANKNIFTY', 'this_month', '{DAY}')",
    "q4": "SELECT trade_date, atm_iv FROM "
    f"straddle_at('NIFTY', 'this_week', '10:00', '{sessions()[0]}', '{sessions()[-1]}')",
    "q6": f"""SELECT count(*) AS legs, sum(l.last_price - s.spot) AS difference FROM chain_on('NIFTY', '{DAY}') l
        ASOF JOIN (FROM overview_on('{DAY}') WHERE underlying = 'NIFTY') s ON l.snapshot_at >= s.snapshot_at""",
}
"""What has a macro of its own."""

SQL = {
    "q1": f"""SELECT {_CHAIN} FROM option_chain WHERE trade_date = DATE '{DAY}' AND underlying = 'NIFTY'
        AND expiry = ({_expiry("NIFTY", "this_week")}) AND snapshot_at = TIMESTAMP '{DAY} 15:30'
        ORDER BY strike, option_type""",
    "q2": f"""SELECT snapshot_at, sum(price) AS straddle FROM option_chain WHERE trade_date = DATE '{DAY}'
        AND underlying = 'BANKNIFTY' AND strike_offset = 0 AND expiry = ({_expiry("BANKNIFTY", "this_month")})
        GROUP BY snapshot_at ORDER BY snapshot_at""",
    "q3": f"""SELECT snapshot_at,
          sum(oi) FILTER (WHERE option_type = 'PE') / sum(oi) FILTER (WHERE option_type = 'CE') AS pcr
        FROM option_chain WHERE underlying = 'NIFTY' AND trade_date BETWEEN DATE '{MONTH[0]}' AND DATE '{MONTH[1]}'
        GROUP BY snapshot_at ORDER BY snapshot_at""",
    "q4": f"""SELECT trade_date, avg(iv) AS iv FROM option_chain
        JOIN (SELECT trade_date, expiry FROM expiries WHERE underlying = 'NIFTY' AND expiry_tag = 'this_week')
          USING (trade_date, expiry)
        WHERE underlying = 'NIFTY' AND strike_offset = 0 AND snapshot_at = trade_date + INTERVAL 10 HOUR
          AND trade_date BETWEEN DATE '{sessions()[0]}' AND DATE '{sessions()[-1]}'
        GROUP BY trade_date ORDER BY trade_date""",
    "q5": """SELECT underlying, isodow(trade_date) AS weekday, strike_offset, sum(volume) AS volume, avg(oi) AS oi
        FROM option_chain GROUP BY ALL ORDER BY ALL""",
    "q6": f"""SELECT count(*) AS legs, sum(l.last_price - s.spot) AS difference
        FROM (SELECT snapshot_at, last_price FROM option_chain
          WHERE underlying = 'NIFTY' AND trade_date = DATE '{DAY}') l
        ASOF JOIN (SELECT snapshot_at, spot FROM overview WHERE underlying = 'NIFTY' AND trade_date = DATE '{DAY}') s
          ON l.snapshot_at >= s.snapshot_at""",
}  # fmt: skip
"""Over the views, or over tables of the same names."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question's name, its meaning in a few words, and how long it may take, in milliseconds."""

    name: str
    meaning: str
    aim: float


QUESTIONS = (
    Question("q1", "latest chain of NIFTY's this_week", 8),
    Question("q2", "BANKNIFTY's at-the-money straddle of a day", 8),
    Question("q3", "NIFTY's put-call ratio by minute of a month, from the legs", 60),
    Question("q4", "NIFTY's at-the-money IV of this_week at 10:00 on 250 days", 200),
    Question("q5", "volume and open interest by index, weekday and offset of 79 million legs", 1600),
    Question("q6", "NIFTY's legs of a day beside the spot as of their time", 60),
)
