"""The tables. One entry a column, in the order of the file."""

from g6_market.schema.columns import Column, Kind, Table

# ---------------------------------------------------------------- columns that several tables share
_UNDERLYING = Column("underlying", Kind.TEXT, "Index code, e.g. NIFTY", dictionary=True)
_EXPIRY = Column("expiry", Kind.DATE, "Expiry date as listed in that day's dump", dictionary=True)
_STRIKE = Column("strike", Kind.FLOAT64, "Strike price", "points", dictionary=True)
_OPTION_TYPE = Column("option_type", Kind.TEXT, "CE for a call, PE for a put", dictionary=True)
_SNAPSHOT_AT = Column(
    "snapshot_at", Kind.TIMESTAMP, "Due time of the snapshot: the end of its interval", "IST", dictionary=True
)
_RECEIVED_AT = Column(
    "received_at", Kind.TIMESTAMP, "When the broker's answer arrived", "IST", "no answer arrived", True
)
_TRADINGSYMBOL = Column("tradingsymbol", Kind.TEXT, "Kite's trading symbol", dictionary=True)
_EXCHANGE = Column("exchange", Kind.TEXT, "NSE, BSE, NFO or BFO", dictionary=True)
_CONTRACT_TYPE = Column("contract_type", Kind.TEXT, "option, future or index", dictionary=True)
_NOT_DERIVATIVE = "index values"
_NOT_OPTION = "futures and index values"
_EXPIRY_OPT = Column(
    "expiry", Kind.DATE, "Expiry date as listed in that day's dump", null=_NOT_DERIVATIVE, dictionary=True
)
_STRIKE_OPT = Column("strike", Kind.FLOAT64, "Strike price", "points", _NOT_OPTION, True)
_TYPE_OPT = Column("option_type", Kind.TEXT, "CE for a call, PE for a put", null=_NOT_OPTION, dictionary=True)


def _price(name: str, text: str, null: str = "not received, or 0 received", *, steady: bool = False) -> Column:
    return Column(name, Kind.FLOAT64, text, "rupees", null, steady=steady)


def _count(
    name: str,
    text: str,
    null: str = "not received",
    unit: str = "units",
    *,
    dictionary: bool = False,
    growing: bool = False,
) -> Column:
    return Column(name, Kind.INT64, text, unit, null, dictionary, growing=growing)


_NO_DUMP = "imported history, which has no dump"
_NO_LOT = f"{_NOT_DERIVATIVE}; {_NO_DUMP}"

# ---------------------------------------------------------------- what was received
INSTRUMENTS = Table(
    "instruments",
    "The contracts of the indices as listed in the broker's dump of that day, and the tokens of the spot values.",
    (
        _UNDERLYING,
        _CONTRACT_TYPE,
        _EXCHANGE,
        _TRADINGSYMBOL,
        _EXPIRY_OPT,
        _STRIKE_OPT,
        _TYPE_OPT,
        Column("lot_size", Kind.INT32, "Units in a lot, of this contract on this day", "units", _NO_LOT, True),
        Column("tick_size", Kind.FLOAT64, "Smallest price step", "rupees", _NO_LOT, True),
        Column("instrument_token", Kind.INT64, "Kite's token; reused after expiry, so never an identity", "", _NO_DUMP),
        Column("exchange_token", Kind.INT64, "The exchange's own number of the contract", "", _NO_DUMP),
    ),
    key=("exchange", "tradingsymbol"),
    sort=("underlying", "contract_type", "expiry", "strike", "option_type"),
)

EXPIRIES = Table(
    "expiries",
    "What this_week, next_week, this_month and next_month meant on that day.",
    (
        _UNDERLYING,
        Column("expiry_tag", Kind.TEXT, "this_week, next_week, this_month or next_month", dictionary=True),
        _EXPIRY,
        Column("is_monthly", Kind.BOOL, "Whether it is the last listed expiry of its calendar month"),
        Column(
            "trading_days_to_expiry", Kind.INT16, "Sessions after that day up to and including the expiry", "sessions"
        ),
        Column(
            "settlement_fixed_at",
            Kind.TIMESTAMP,
            "When the settlement value is fixed: time to expiry runs to it",
            "IST",
        ),
        Column(
            "strikes_each_side",
            Kind.INT16,
            "Width N of the index's captured ATM +- N, before the sticky room; its offset series have it too",
            "strikes",
            "stored by an older version: the one number in conventions holds",
        ),
    ),
    key=("underlying", "expiry_tag"),
    sort=("underlying", "expiry", "expiry_tag"),
)

REFERENCE = Table(
    "reference",
    "One sweep of all listed contracts before the open: previous close, circuit limits, opening open interest.",
    (
        _UNDERLYING,
        _CONTRACT_TYPE,
        _EXCHANGE,
        _TRADINGSYMBOL,
        _EXPIRY_OPT,
        _STRIKE_OPT,
        _TYPE_OPT,
        Column("received_at", Kind.TIMESTAMP, "When the broker's answer arrived", "IST", dictionary=True),
        _price("previous_close", "Close of the previous session", steady=True),
        _count("opening_oi", "Open interest before the open", "sweep made after the open, or not received"),
        _count("previous_oi", "Last open interest stored by G6 for the previous session", "nothing stored"),
        _price("lower_circuit_limit", "Lower price limit of the day", steady=True),
        _price("upper_circuit_limit", "Upper price limit of the day", steady=True),
    ),
    key=("exchange", "tradingsymbol"),
    sort=("underlying", "contract_type", "expiry", "strike", "option_type"),
)

QUOTES = Table(
    "quotes",
    "Raw quotes as received: option legs, futures, index values and India VIX. The truth everything derives from.",
    (
        _SNAPSHOT_AT,
        Column(
            "received_at", Kind.TIMESTAMP, "When the answer arrived; rows of one call share it", "IST", dictionary=True
        ),
        Column("exchange_at", Kind.TIMESTAMP, "The exchange's stamp of the quote", "IST", "not sent", True),
        _UNDERLYING,
        _CONTRACT_TYPE,
        _EXCHANGE,
        _TRADINGSYMBOL,
        _EXPIRY_OPT,
        _STRIKE_OPT,
        _TYPE_OPT,
        _price("last_price", "Last traded price, or index value"),
        Column(
            "last_trade_at",
            Kind.TIMESTAMP,
            "Time of the last trade; of a healed row the start of the candle's minute",
            "IST",
            "never traded, not sent, or a candle without volume",
        ),
        _count("last_quantity", "Quantity of the last trade", dictionary=True),
        _price("average_price", "Volume-weighted average price of the day", steady=True),
        _count("volume", "Traded since the open", growing=True),
        _count("buy_quantity", "All bids"),
        _count("sell_quantity", "All asks"),
        _count("oi", "Open interest", "not received, or an index value"),
        _count("oi_day_high", "Highest open interest of the day", "not received, or an index value"),
        _count("oi_day_low", "Lowest open interest of the day", "not received, or an index value"),
        _price("open", "First price of the day", steady=True),
        _price("high", "Highest price of the day", steady=True),
        _price("low", "Lowest price of the day", steady=True),
        _price("previous_close", "Close of the previous session", steady=True),
        _price("bid_price", "Best bid", "no bid"),
        _count("bid_quantity", "Quantity at the best bid", dictionary=True),
        _price("ask_price", "Best ask", "no ask"),
        _count("ask_quantity", "Quantity at the best ask", dictionary=True),
        Column("depth", Kind.TEXT, "Five levels of the book as JSON", null="capture.depth is off (the default)"),
        Column("attempt", Kind.INT16, "Which session attempt of the day captured it; 0 for a healed row"),
        Column("source", Kind.TEXT, "quote, candle (healed) or import", dictionary=True),
        Column(
            "known_at",
            Kind.TIMESTAMP,
            "When G6 came to know it; received_at unless healed or imported",
            "IST",
            dictionary=True,
        ),
    ),
    key=("snapshot_at", "exchange", "tradingsymbol", "received_at"),
    sort=("underlying", "contract_type", "expiry", "strike", "option_type", "snapshot_at", "received_at"),
)

SNAPSHOTS = Table(
    "snapshots",
    "One row per due instant, underlying and expiry: what became of it. No row means that the process was down.",
    (
        _SNAPSHOT_AT,
        _UNDERLYING,
        _EXPIRY,
        Column("outcome", Kind.TEXT, "stored, partial, stale or failed", dictionary=True),
        Column("cause", Kind.TEXT, "Why it is not whole", null="outcome is stored", dictionary=True),
        Column("full_chain", Kind.BOOL, "Whether every listed strike was asked and the answer counts as a full chain"),
        Column("requested", Kind.INT32, "Legs asked for", "legs"),
        Column("returned", Kind.INT32, "Legs in the answer", "legs"),
        Column("missing_legs", Kind.INT32, "Legs asked for and absent", "legs"),
        _RECEIVED_AT,
        Column(
            "latency_ms",
            Kind.FLOAT32,
            "From the due instant to the last answer; negative for the last snapshot, which is asked early",
            "ms",
            "no answer arrived",
        ),
        Column("attempt", Kind.INT16, "Which session attempt of the day made it"),
    ),
    key=("snapshot_at", "underlying", "expiry"),
    sort=("underlying", "expiry", "snapshot_at"),
)

HEALING = Table(
    "healing",
    "One row per leg of a gap whose candles were asked for, index values and futures included: what came of it.",
    (
        _SNAPSHOT_AT,
        _UNDERLYING,
        _CONTRACT_TYPE,
        _EXCHANGE,
        _TRADINGSYMBOL,
        _EXPIRY_OPT,
        _STRIKE_OPT,
        _TYPE_OPT,
        Column(
            "outcome",
            Kind.TEXT,
            "healed; no candle: it did not trade in that minute; expired: the broker no longer knows the contract",
            dictionary=True,
        ),
        Column("known_at", Kind.TIMESTAMP, "When that was known; healed rows of quotes have the same", "IST", "", True),
    ),
    key=("snapshot_at", "exchange", "tradingsymbol"),
    sort=("underlying", "contract_type", "expiry", "strike", "option_type", "snapshot_at"),
    split=None,
)

CONVENTIONS = Table(
    "conventions",
    "The conventions of that day: everything derived is derived again with these.",
    (
        Column("risk_free_rate", Kind.FLOAT64, "Continuously compounded yearly rate", "1 = 100 %"),
        Column("atm_reference", Kind.TEXT, "What ATM means in offset series: forward or spot"),
        Column("interval_seconds", Kind.INT32, "Time between snapshots", "s"),
        Column("full_chain_every_seconds", Kind.INT32, "Beat of the full chain", "s"),
        Column("strikes_each_side", Kind.INT16, "Width N of ATM +- N of an index whose expiries name none", "strikes"),
        Column("time_rule", Kind.TEXT, "Day count of t_years"),
        Column("spread_rule", Kind.TEXT, "When a mid counts as sane"),
        Column("calendar_version", Kind.TEXT, "Hash of the calendar tables and the override file"),
        Column("code_version", Kind.TEXT, "Version of the derivations that ran live"),
    ),
    key=("code_version",),
    sort=("code_version",),
    split=None,
)

# ---------------------------------------------------------------- what is derived
_ROW_SOURCE = Column(
    "source",
    Kind.TEXT,
    "candle where a healed row is behind it, import where an imported one is, else quote",
    null="sealed by an older version, which healed nothing",
    dictionary=True,
)
_NO_FORWARD = "no forward"
OPTION_CHAIN = Table(
    "option_chain",
    "One row per option contract and snapshot: price, open interest, place in the ladder, forward, IV and greeks.",
    (
        _SNAPSHOT_AT,
        _UNDERLYING,
        _EXPIRY,
        _STRIKE,
        _OPTION_TYPE,
        _TRADINGSYMBOL,
        Column(
            "strike_offset",
            Kind.INT16,
            "Rank of the strike from the forward's ATM in the listed ladder",
            "strikes",
            _NO_FORWARD,
        ),
        Column("spot_strike_offset", Kind.INT16, "The same from the spot's ATM", "strikes", "no spot"),
        _price("last_price", "Last traded price"),
        Column(
            "traded",
            Kind.BOOL,
            "Whether it traded within the interval; healed: whether the candle of its last minute has volume",
            null="no trade time was sent",
        ),
        _price("average_price", "Volume-weighted average price of the day", steady=True),
        _price("bid_price", "Best bid", "no bid"),
        _price("ask_price", "Best ask", "no ask"),
        _count("bid_quantity", "Quantity at the best bid", dictionary=True),
        _count("ask_quantity", "Quantity at the best ask", dictionary=True),
        _price("price", "Price used: the mid where the spread is sane, else the last price if it traded", "neither"),
        Column("price_source", Kind.TEXT, "mid or last", null="no usable price", dictionary=True),
        _count("volume", "Traded since the open", growing=True),
        _count("oi", "Open interest"),
        Column("forward", Kind.FLOAT64, "Forward of the expiry", "points", _NO_FORWARD),
        Column("spot", Kind.FLOAT64, "Index value that travelled with the quote", "points", "not received, or <= 0"),
        Column("t_years", Kind.FLOAT64, "Time to settlement, ACT/365; 0 once settled", "years"),
        Column(
            "iv",
            Kind.FLOAT32,
            "Implied volatility of the strike, from its out-of-the-money leg",
            "1 = 100 %",
            "see iv_reason",
        ),
        Column("iv_own", Kind.FLOAT32, "Implied volatility of this leg's own price", "1 = 100 %", "not invertible"),
        Column("iv_reason", Kind.TEXT, "Why iv is null", null="iv is known", dictionary=True),
        Column("delta", Kind.FLOAT32, "Per point of the forward", "", "no iv"),
        Column("gamma", Kind.FLOAT32, "Change of delta per point", "1/point", "no iv"),
        Column("theta", Kind.FLOAT32, "Per calendar day", "rupees", "no iv"),
        Column("vega", Kind.FLOAT32, "Per 1 % of volatility", "rupees", "no iv"),
        Column(
            "settlement_window",
            Kind.BOOL,
            "Expiry day within the settlement averaging: kept out of statistics",
            dictionary=True,
        ),
        Column("source", Kind.TEXT, "quote, candle (healed) or import", dictionary=True),
    ),
    key=("snapshot_at", "underlying", "expiry", "strike", "option_type"),
    sort=("underlying", "expiry", "strike", "option_type", "snapshot_at"),
)

_NO_CHAIN = "no full chain yet"
_NO_WING = "no two captured neighbouring strikes have the delta between them"
_NO_OPENING = "no full chain yet, or the reference lacks the opening_oi of more than 5 % of them"
_NO_PREVIOUS = "no full chain yet, or the reference lacks the previous_oi of more than 5 % of them"
_NO_GAMMA = "no full chain yet, or none of its legs has both iv and open interest"
_GEX = "Rs crore per 1 %"
EXPIRY_OVERVIEW = Table(
    "expiry_overview",
    "One row per snapshot, underlying and expiry: forward, straddles, smile, totals over all strikes, exposures.",
    (
        _SNAPSHOT_AT,
        _UNDERLYING,
        _EXPIRY,
        Column(
            "forward",
            Kind.FLOAT64,
            "Forward by put-call parity, else the future of the same expiry",
            "points",
            "neither",
        ),
        Column("forward_source", Kind.TEXT, "parity_mid, parity_last or future", null=_NO_FORWARD, dictionary=True),
        Column("forward_pairs", Kind.INT16, "Call-put pairs behind the forward", "pairs", _NO_FORWARD),
        Column(
            "forward_mad", Kind.FLOAT32, "Weighted median absolute deviation of the pairs", "points", "not from parity"
        ),
        Column("spot", Kind.FLOAT64, "Index value that travelled with the chain", "points", "not received, or <= 0"),
        Column(
            "atm_strike", Kind.FLOAT64, "Listed strike nearest the forward, the lower on a tie", "points", _NO_FORWARD
        ),
        Column(
            "spot_atm_strike", Kind.FLOAT64, "Listed strike nearest the spot, the lower on a tie", "points", "no spot"
        ),
        Column("straddle", Kind.FLOAT64, "Call plus put price at atm_strike", "rupees", "a leg has no price"),
        Column("spot_straddle", Kind.FLOAT64, "Call plus put price at spot_atm_strike", "rupees", "a leg has no price"),
        Column("atm_iv", Kind.FLOAT32, "IV of atm_strike", "1 = 100 %", "no iv"),
        Column("iv_trading", Kind.FLOAT32, "atm_iv on a clock of session minutes over 252 days", "1 = 100 %", "no iv"),
        Column(
            "expected_move",
            Kind.FLOAT64,
            "One standard deviation at the expiry: forward x atm_iv x sqrt(t_years)",
            "points",
            "no forward, or no iv",
        ),
        Column(
            "call_iv_25",
            Kind.FLOAT64,
            "IV where the call's delta is 0.25, linear in delta between neighbouring strikes",
            "1 = 100 %",
            _NO_WING,
        ),
        Column("put_iv_25", Kind.FLOAT64, "IV where the put's delta is -0.25, likewise", "1 = 100 %", _NO_WING),
        Column("risk_reversal_25", Kind.FLOAT64, "call_iv_25 - put_iv_25", "1 = 100 %", "either is null"),
        Column(
            "butterfly_25",
            Kind.FLOAT64,
            "Mean of call_iv_25 and put_iv_25, less atm_iv",
            "1 = 100 %",
            "one of them is null",
        ),
        Column(
            "forward_vol",
            Kind.FLOAT64,
            "Volatility from the previous configured expiry to this one, from the difference of total variance",
            "1 = 100 %",
            "the index's first expiry, no iv of either, or total variance falls",
        ),
        Column(
            "implied_rate",
            Kind.FLOAT64,
            "Continuously compounded rate in box prices over ATM +- 20, at the last full chain",
            "1 = 100 %",
            "less than 20 days to the expiry, fewer than five boxes of sane mids, or no full chain yet",
        ),
        Column("t_years", Kind.FLOAT64, "Time to settlement, ACT/365; 0 once settled", "years"),
        Column("t_trading_years", Kind.FLOAT64, "Session minutes left over those of 252 sessions", "years"),
        _count("call_oi", "Open interest of all listed calls, at the last full chain", _NO_CHAIN),
        _count("put_oi", "Open interest of all listed puts, at the last full chain", _NO_CHAIN),
        _count("call_volume", "Volume of all listed calls, at the last full chain", _NO_CHAIN),
        _count("put_volume", "Volume of all listed puts, at the last full chain", _NO_CHAIN),
        Column("pcr_oi", Kind.FLOAT64, "put_oi / call_oi", "", "no full chain yet, or call_oi is 0"),
        Column("pcr_volume", Kind.FLOAT64, "put_volume / call_volume", "", "no full chain yet, or call_volume is 0"),
        Column(
            "max_pain",
            Kind.FLOAT64,
            "Listed strike at which all options together pay least; lower on a tie",
            "points",
            _NO_CHAIN,
        ),
        _count(
            "call_oi_change", "call_oi less the open interest before the open, over the contracts of both", _NO_OPENING
        ),
        _count("put_oi_change", "The same of puts", _NO_OPENING),
        _count(
            "call_oi_change_close",
            "call_oi less the last one stored of the previous session, over the contracts of both",
            _NO_PREVIOUS,
        ),
        _count("put_oi_change_close", "The same of puts", _NO_PREVIOUS),
        Column("call_gex", Kind.FLOAT64, "Gamma exposure of all listed calls, at the last full chain", _GEX, _NO_GAMMA),
        Column("put_gex", Kind.FLOAT64, "Gamma exposure of all listed puts, at the last full chain", _GEX, _NO_GAMMA),
        Column("net_gex", Kind.FLOAT64, "call_gex - put_gex", _GEX, "either is null"),
        Column(
            "gex_dealers_short",
            Kind.FLOAT64,
            "-(call_gex + put_gex): what dealers hold who have sold all options",
            _GEX,
            "either is null",
        ),
        Column(
            "gamma_flip",
            Kind.FLOAT64,
            "Level nearest the forward at which the re-priced net_gex is 0, at the last full chain",
            "points",
            "none within 5 % of the forward, no iv, or no full chain yet",
        ),
        Column("oi_as_of", Kind.TIMESTAMP, "Snapshot of the full chain behind the totals", "IST", _NO_CHAIN),
        _count(
            "call_oi_near", "Open interest of calls over exactly ATM +- 10 by rank", "a strike of the range is missing"
        ),
        _count("put_oi_near", "The same of puts", "a strike of the range is missing"),
        _count(
            "call_volume_near", "Volume of calls over exactly ATM +- 10 by rank", "a strike of the range is missing"
        ),
        _count("put_volume_near", "The same of puts", "a strike of the range is missing"),
        Column("pcr_oi_near", Kind.FLOAT64, "put_oi_near / call_oi_near", "", "either is null, or call_oi_near is 0"),
        Column(
            "pcr_volume_near",
            Kind.FLOAT64,
            "put_volume_near / call_volume_near",
            "",
            "either is null, or the calls' is 0",
        ),
        Column(
            "max_pain_near",
            Kind.FLOAT64,
            "Max pain over exactly ATM +- 10",
            "points",
            "a strike of the range is missing",
        ),
        Column("legs", Kind.INT32, "Option legs in this snapshot", "legs"),
        Column("listed_legs", Kind.INT32, "Option legs listed for the expiry", "legs"),
        Column("settlement_window", Kind.BOOL, "Expiry day within the settlement averaging: kept out of statistics"),
        _ROW_SOURCE,
    ),
    key=("snapshot_at", "underlying", "expiry"),
    sort=("underlying", "expiry", "snapshot_at"),
)

_NO_TAG = "the index has no such expiry, or no full chain yet"
_TAGGED = [
    ("this_week", "this week's"),
    ("next_week", "next week's"),
    ("this_month", "this month's"),
    ("next_month", "next month's"),
]
OVERVIEW = Table(
    "overview",
    "One row per snapshot and underlying: spot and its day, futures, VIX, put-call ratios by tag, what was collected.",
    (
        _SNAPSHOT_AT,
        _UNDERLYING,
        Column("spot", Kind.FLOAT64, "Index value", "points", "not received, or <= 0"),
        Column(
            "spot_unreliable",
            Kind.BOOL,
            "Within the cash market's closing auction: the index value is not a traded price",
        ),
        Column("open", Kind.FLOAT64, "First index value of the day", "points", "not received"),
        Column("high", Kind.FLOAT64, "Highest index value of the day", "points", "not received"),
        Column("low", Kind.FLOAT64, "Lowest index value of the day", "points", "not received"),
        Column("previous_close", Kind.FLOAT64, "Close of the previous session", "points", "not received"),
        Column("day_width", Kind.FLOAT64, "high - low", "points", "either is null"),
        Column("net_change", Kind.FLOAT64, "spot - previous_close", "points", "either is null"),
        Column("net_change_percent", Kind.FLOAT64, "net_change / previous_close", "%", "either is null"),
        Column("india_vix", Kind.FLOAT64, "India VIX", "%", "not received"),
        Column(
            "iv30",
            Kind.FLOAT64,
            "30-day volatility, linear in total variance between the two configured expiries around 30 days",
            "1 = 100 %",
            "no expiry on one side, the nearer one less than 2 days away, or no iv of either",
        ),
        Column("future_near", Kind.FLOAT64, "Price of the nearest future", "points", "not received"),
        Column("future_near_expiry", Kind.DATE, "Its expiry", null="not received"),
        Column("basis_near", Kind.FLOAT64, "future_near - spot", "points", "either is null"),
        Column("future_next", Kind.FLOAT64, "Price of the second future", "points", "not received"),
        Column("future_next_expiry", Kind.DATE, "Its expiry", null="not received"),
        Column("basis_next", Kind.FLOAT64, "future_next - spot", "points", "either is null"),
        *(Column(f"pcr_oi_{tag}", Kind.FLOAT64, f"pcr_oi of {name} expiry", "", _NO_TAG) for tag, name in _TAGGED),
        *(
            Column(f"pcr_volume_{tag}", Kind.FLOAT64, f"pcr_volume of {name} expiry", "", _NO_TAG)
            for tag, name in _TAGGED
        ),
        _count("call_oi", "call_oi over the configured expiries, each once", _NO_CHAIN),
        _count("put_oi", "put_oi over the configured expiries, each once", _NO_CHAIN),
        _count("call_volume", "call_volume over the configured expiries, each once", _NO_CHAIN),
        _count("put_volume", "put_volume over the configured expiries, each once", _NO_CHAIN),
        Column("pcr_oi", Kind.FLOAT64, "put_oi / call_oi", "", "no full chain yet, or call_oi is 0"),
        Column("pcr_volume", Kind.FLOAT64, "put_volume / call_volume", "", "no full chain yet, or call_volume is 0"),
        Column(
            "net_gex",
            Kind.FLOAT64,
            "net_gex over the configured expiries, each once",
            _GEX,
            "null for one of the expiries",
        ),
        Column("oi_as_of", Kind.TIMESTAMP, "Oldest full chain behind the totals", "IST", _NO_CHAIN),
        Column("expiries_expected", Kind.INT16, "Configured tags that the index has that day", "tags"),
        Column("expiries_collected", Kind.INT16, "Of these, tags with rows in this snapshot", "tags"),
        Column(
            "expected_mask",
            Kind.INT16,
            "Bits of the expected tags: this_week 1, next_week 2, this_month 4, next_month 8",
        ),
        Column("collected_mask", Kind.INT16, "Bits of the collected tags"),
        Column("missing_mask", Kind.INT16, "expected_mask without collected_mask"),
        _ROW_SOURCE,
    ),
    key=("snapshot_at", "underlying"),
    sort=("underlying", "snapshot_at"),
)


_FEW_DAYS = "fewer than 60 earlier days with the value are stored"
_NO_HISTORY = "fewer than 20 days before it are stored, they span over 30 sessions, or one lacks the value"


def _bar(name: str, text: str, unit: str, null: str) -> list[Column]:
    words = {"open": "First", "high": "Highest", "low": "Lowest", "close": "Last"}
    return [Column(f"{name}_{part}", Kind.FLOAT64, f"{word} {text}", unit, null) for part, word in words.items()]


def _standing(name: str, text: str) -> list[Column]:
    return [
        Column(
            f"{name}_rank",
            Kind.FLOAT64,
            f"Place of {text} between the least and the largest of itself and up to 252 earlier stored days",
            "0 to 1",
            f"{_FEW_DAYS}, the value is null, or all are equal",
        ),
        Column(
            f"{name}_percentile",
            Kind.FLOAT64,
            f"Share of these earlier days on which it was strictly below {text}",
            "0 to 1",
            f"{_FEW_DAYS}, or the value is null",
        ),
        Column(f"{name}_days_used", Kind.INT16, "Earlier stored days with the value, at most 252", "days"),
    ]


_NO_AT = "no snapshot within 5 minutes (or an interval) before, or unknown in it"
_TIMES = {"1000": "10:00", "1200": "12:00", "1500": "15:00"}
_FRONT_STRADDLE = "no snapshot outside the settlement window has it"
_NO_FUTURE = "not received"
_NO_BASIS = "no future or spot at 15:00, or less than a day to its expiry"
DAILY_SUMMARY = Table(
    "daily_summary",
    "One row per index and day: its bars, realised and implied volatility, their rank among earlier days, rollover.",
    (
        _UNDERLYING,
        Column("front_expiry", Kind.DATE, "Nearest configured expiry: the front"),
        Column("trading_days_to_expiry", Kind.INT16, "Sessions after the day up to and including it", "sessions"),
        Column("snapshots", Kind.INT32, "Snapshots of the index behind the row", "snapshots"),
        Column("spot_open", Kind.FLOAT64, "The exchange's opening index value", "points", "not received"),
        Column("spot_high", Kind.FLOAT64, "The exchange's highest index value of the day", "points", "not received"),
        Column("spot_low", Kind.FLOAT64, "The exchange's lowest index value of the day", "points", "not received"),
        Column("spot_close", Kind.FLOAT64, "Last index value of the day", "points", "not received"),
        *_bar("straddle", "straddle of the front at the money, which floats", "rupees", _FRONT_STRADDLE),
        Column(
            "fixed_strike",
            Kind.FLOAT64,
            "Strike of the front at the money at the first snapshot from 09:20",
            "points",
            "no snapshot from 09:20 has a forward",
        ),
        Column("fixed_strike_from", Kind.TIMESTAMP, "That snapshot", "IST", "fixed_strike is null"),
        *_bar("fixed_straddle", "straddle of the front at fixed_strike, from then on", "rupees", _FRONT_STRADDLE),
        Column(
            "realised_vol_day",
            Kind.FLOAT64,
            "Volatility of the day's index values, snapshot to snapshot, over 252 sessions; the night is not in it",
            "1 = 100 %",
            "fewer than 3 index values before the closing auction",
        ),
        Column(
            "realised_vol_20",
            Kind.FLOAT64,
            "Volatility of the last 20 closes, each against the one before, over 252 sessions",
            "1 = 100 %",
            _NO_HISTORY,
        ),
        Column(
            "parkinson_vol_20",
            Kind.FLOAT64,
            "Volatility by Parkinson from high and low of the last 20 days, over 252 sessions",
            "1 = 100 %",
            _NO_HISTORY,
        ),
        Column("realised_days_used", Kind.INT16, "Earlier stored days with a close, at most 20", "days"),
        *(
            Column(f"iv30_{short}", Kind.FLOAT64, f"iv30 at {long}", "1 = 100 %", _NO_AT)
            for short, long in _TIMES.items()
        ),
        *(
            Column(
                f"atm_iv_{short}",
                Kind.FLOAT64,
                f"atm_iv of the front at {long}",
                "1 = 100 %",
                f"{_NO_AT}, or in the settlement window",
            )
            for short, long in _TIMES.items()
        ),
        *_standing("iv30", "iv30_1500"),
        Column("vix_close", Kind.FLOAT64, "Last India VIX of the day", "%", "not received"),
        *_standing("vix", "vix_close"),
        Column("iv30_less_realised", Kind.FLOAT64, "iv30_1500 - realised_vol_20", "1 = 100 %", "either is null"),
        Column("vix_less_realised", Kind.FLOAT64, "vix_close / 100 - realised_vol_20", "1 = 100 %", "either is null"),
        _count("future_near_oi", "Last open interest of the nearest future", _NO_FUTURE),
        _count("future_next_oi", "Last open interest of the second future", _NO_FUTURE),
        Column(
            "rollover",
            Kind.FLOAT64,
            "future_next_oi / (future_near_oi + future_next_oi)",
            "0 to 1",
            "either is null, or both are 0",
        ),
        Column(
            "basis_near_annualised",
            Kind.FLOAT64,
            "ln(future / spot) at 15:00 over the years to the nearest future's expiry",
            "1 = 100 %",
            _NO_BASIS,
        ),
        Column("basis_next_annualised", Kind.FLOAT64, "The same of the second future", "1 = 100 %", _NO_BASIS),
        _count("front_call_oi", "call_oi of the front at its last full chain", "no full chain"),
        _count("front_put_oi", "put_oi of the front at its last full chain", "no full chain"),
        Column(
            "largest_call_oi_strike",
            Kind.FLOAT64,
            "Strike of the front with the most call open interest then, the lower on a tie",
            "points",
            "no full chain, or no open interest",
        ),
        Column(
            "largest_put_oi_strike",
            Kind.FLOAT64,
            "Strike of the front with the most put open interest then, the lower on a tie",
            "points",
            "no full chain, or no open interest",
        ),
        _count("call_oi", "call_oi over the configured expiries, each once, at the last full chain", "no full chain"),
        _count("put_oi", "put_oi over the configured expiries, each once, at the last full chain", "no full chain"),
        Column("oi_as_of", Kind.TIMESTAMP, "Last full chain of the front", "IST", "no full chain"),
    ),
    key=("underlying",),
    sort=("underlying",),
)


def _sides() -> list[Column]:
    columns: list[Column] = []
    for side in ("call", "put"):
        absent = f"no {side} was captured"
        columns += [
            Column(f"{side}_tradingsymbol", Kind.TEXT, f"The {side}'s trading symbol", null=absent, dictionary=True),
            _price(f"{side}_last_price", f"Last price of the {side}", absent),
            _price(f"{side}_average_price", f"Volume-weighted average price of the {side}", absent),
            _price(f"{side}_bid_price", f"Best bid of the {side}", absent),
            _price(f"{side}_ask_price", f"Best ask of the {side}", absent),
            _price(f"{side}_price", f"Price used of the {side}: sane mid, else last if it traded", absent),
            _count(f"{side}_volume", f"Volume of the {side} since the open", absent),
            _count(f"{side}_oi", f"Open interest of the {side}", absent),
            Column(f"{side}_iv", Kind.FLOAT32, f"iv_own of the {side}", "1 = 100 %", absent),
            Column(f"{side}_delta", Kind.FLOAT32, f"Delta of the {side}", "", absent),
            Column(f"{side}_theta", Kind.FLOAT32, f"Theta of the {side}, per calendar day", "rupees", absent),
            Column(f"{side}_vega", Kind.FLOAT32, f"Vega of the {side}, per 1 %", "rupees", absent),
        ]
    return columns


OFFSET_SERIES = Table(
    "offset_series",
    "Call and put side by side at a fixed offset from the money; the contract changes when the ATM moves (see rolled).",
    (
        _SNAPSHOT_AT,
        _UNDERLYING,
        Column("expiry_tag", Kind.TEXT, "this_week, next_week, this_month or next_month", dictionary=True),
        _EXPIRY,
        Column("strike_offset", Kind.INT16, "Rank from the ATM of that day's atm_reference", "strikes"),
        _STRIKE,
        Column("rolled", Kind.BOOL, "Whether the strike differs from that of the series' previous row of the day"),
        *_sides(),
        Column("straddle", Kind.FLOAT64, "call_price + put_price", "rupees", "a leg has no price"),
        Column("iv", Kind.FLOAT32, "IV of the strike", "1 = 100 %", "no iv"),
        Column("gamma", Kind.FLOAT32, "Gamma of the strike", "1/point", "no iv"),
        Column("forward", Kind.FLOAT64, "Forward of the expiry", "points", _NO_FORWARD),
        Column("spot", Kind.FLOAT64, "Index value", "points", "not received, or <= 0"),
        _ROW_SOURCE,
    ),
    key=("snapshot_at", "underlying", "expiry_tag", "strike_offset"),
    sort=("underlying", "expiry_tag", "strike_offset", "snapshot_at"),
)

STORED_TABLES: tuple[Table, ...] = (
    INSTRUMENTS,
    EXPIRIES,
    REFERENCE,
    QUOTES,
    SNAPSHOTS,
    HEALING,
    CONVENTIONS,
    OPTION_CHAIN,
    EXPIRY_OVERVIEW,
    OVERVIEW,
    DAILY_SUMMARY,
)
TABLES: dict[str, Table] = {table.name: table for table in (*STORED_TABLES, OFFSET_SERIES)}
