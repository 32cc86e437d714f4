"""The daily instruments dump as CSV lines: Kite's columns, a numeric strike also where there is none."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from g6_market.indices import INDICES, VIX_KEY, VIX_TOKEN
from g6_sim.listing import FUTURE, KIND_NAMES, SEGMENT_BYTES, Contracts, trading_symbol

HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange"
)
"""First line of the dump."""

Dump = dict[str, list[str]]
"""CSV lines by exchange."""

_FIRST_PADDING_TOKEN = 14_000_000  # above every contract's exchange token


def contract_lines(contracts: Contracts) -> Dump:
    """Write every listed contract."""
    dump: Dump = {}
    columns = zip(
        contracts.symbols,
        contracts.token.tolist(),
        contracts.exchange_token.tolist(),
        contracts.underlying.tolist(),
        contracts.expiry.tolist(),
        contracts.strike.tolist(),
        contracts.tick.tolist(),
        contracts.lot.tolist(),
        contracts.kind.tolist(),
        strict=True,
    )
    for symbol, token, exchange_token, underlying, expiry, strike, tick, lot, kind in columns:
        exchange, name = contracts.exchanges[underlying], contracts.names[underlying]
        line = contract_line(
            token, exchange_token, symbol, name, contracts.expiries[expiry].day, strike, tick, lot, kind, exchange
        )
        dump.setdefault(exchange, []).append(line)
    return dump


def contract_line(
    token: int,
    exchange_token: int,
    symbol: str,
    name: str,
    expiry: date,
    strike: float,
    tick: float,
    lot: int,
    kind: int,
    exchange: str,
) -> str:
    """Write one derivative; `last_price` is 0 as in the real dump."""
    return (
        f"{token},{exchange_token},{symbol},{name},0,{expiry.isoformat()},{strike:g},{tick:g},{lot},"
        f"{KIND_NAMES[kind]},{exchange}-{'FUT' if kind == FUTURE else 'OPT'},{exchange}"
    )


def index_lines(names: Sequence[str]) -> Dump:
    """Write the spot rows of the indices, and India VIX."""
    dump: Dump = {}
    rows = [(INDICES[name].spot_key, INDICES[name].spot_token) for name in names] + [(VIX_KEY, VIX_TOKEN)]
    for key, token in rows:
        exchange, symbol = key.split(":")
        dump.setdefault(exchange, []).append(f"{token},{token // 256},{symbol},{symbol},0,,0,0,0,EQ,INDICES,{exchange}")
    return dump


def padding_lines(count: int, day: date) -> Dump:
    """Write rows of other things, as many as asked for, so that the dump has the real one's size.

    They are shares, stock options and commodity futures that nobody quotes. Only their number and form matter.
    """
    dump: Dump = {}
    for number, (exchange, rest) in zip(range(count), _padding_forms(day), strict=False):
        exchange_token = _FIRST_PADDING_TOKEN + number
        token = exchange_token * 256 + SEGMENT_BYTES[exchange]
        dump.setdefault(exchange, []).append(f"{token},{exchange_token},{rest}")
    return dump


def merged(*dumps: Dump) -> Dump:
    """Put dumps together, exchange by exchange."""
    together: Dump = {}
    for dump in dumps:
        for exchange, lines in dump.items():
            together.setdefault(exchange, []).extend(lines)
    return together


def _padding_forms(day: date) -> Iterator[tuple[str, str]]:
    expiry = day + timedelta(28)
    number = 0
    while True:
        name = f"SHARE{number // 40:04d}"
        kind, strike = (1 if number % 2 else -1), 100 + 20 * (number % 40)
        yield "NSE", f"{name}{number % 40:02d},{name} LIMITED,0,,0,0.05,1,EQ,NSE,NSE"
        option = trading_symbol(name, expiry, True, kind, strike)
        yield "NFO", f"{option},{name},0,{expiry.isoformat()},{strike},0.05,500,{option[-2:]},NFO-OPT,NFO"
        yield "BSE", f"{name}{number % 40:02d},{name} LIMITED,0,,0,0.05,1,EQ,BSE,BSE"
        metal = trading_symbol(f"METAL{number:05d}", expiry, True, FUTURE, 0)
        yield "MCX", f"{metal},METAL{number:05d},0,{expiry.isoformat()},0,1,100,FUT,MCX-FUT,MCX"
        number += 1
