"""The dump, normalised; and the ladders of a day."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market_data import FRIDAY, HEADER, NIFTY_EXPIRIES, calendar, dump, small_day

from g6_market.conventions import Conventions
from g6_market.day import make_day
from g6_market.indices import INDICES, TAGS
from g6_market.instruments import DumpError, monthly_forms, normalise_dump
from g6_market.schema import INSTRUMENTS, conform

SEPTEMBER = date(2025, 9, 30)
GOOD = dump({"NIFTY": {SEPTEMBER: [24000, 24050]}}, {"NIFTY": [SEPTEMBER]})
NSE = (
    HEADER + "\n256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE\n264969,1035,INDIA VIX,INDIA VIX,0,,0,0,0,EQ,"
    "INDICES,NSE\n408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE\n"
).encode()


def changed(old: str, new: str) -> dict[str, bytes]:
    assert old.encode() in GOOD["NFO"]
    return {"NFO": GOOD["NFO"].replace(old.encode(), new.encode(), 1)}


def test_a_dump_becomes_options_futures_spot_and_vix() -> None:
    table = normalise_dump(GOOD | {"NSE": NSE}, ["NIFTY"])
    assert conform(table, INSTRUMENTS).equals(table)
    assert table["tradingsymbol"].tolist() == [
        "INDIA VIX",
        "NIFTY25SEPFUT",
        "NIFTY 50",
        "NIFTY25SEP24000CE",
        "NIFTY25SEP24000PE",
        "NIFTY25SEP24050CE",
        "NIFTY25SEP24050PE",
    ]
    spot = table.set_index("tradingsymbol").loc["NIFTY 50"]
    assert (spot["underlying"], spot["contract_type"], spot["exchange"]) == ("NIFTY", "index", "NSE")
    assert (spot["instrument_token"], spot["exchange_token"]) == (256265, 1001)
    assert pd.isna(spot["lot_size"])
    assert pd.isna(spot["expiry"])
    call = table.set_index("tradingsymbol").loc["NIFTY25SEP24000CE"]
    assert (call["strike"], call["option_type"], call["lot_size"], call["tick_size"]) == (24000, "CE", 75, 0.05)
    assert call["expiry"] == pd.Timestamp(SEPTEMBER)


def test_without_a_cash_dump_spot_tokens_are_the_known_ones() -> None:
    with_cash, without = normalise_dump(GOOD | {"NSE": NSE}, ["NIFTY"]), normalise_dump(GOOD, ["NIFTY"])
    pd.testing.assert_frame_equal(with_cash, without)


def test_an_index_never_takes_the_contracts_of_a_longer_name() -> None:
    raw = {"NFO": GOOD["NFO"].replace(b",NIFTY,0,2025-09-30,24050,", b",NIFTYNXT50,0,2025-09-30,24050,")}
    assert normalise_dump(raw, ["NIFTY"])["strike"].dropna().unique().tolist() == [24000]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"NFO": b"<html>Bad gateway</html>"}, "of NFO is no CSV: it begins with b'<html>Bad gateway"),
        ({"NFO": b""}, "is no CSV"),
        ({"NFO": HEADER.encode()}, "of NFO has no rows"),
        ({"NFO": GOOD["NFO"].replace(b",lot_size", b"")}, "of NFO has no column lot_size"),
        ({"NFO": GOOD["NFO"][:-9]}, "is cut off or mixed: 'NIFTY25SEPFUT' has exchange"),
        ({"NFO": GOOD["NFO"] + b'1,2,"'}, "of NFO is broken"),
        ({}, "NIFTY trades on NFO, of which no instruments dump was given"),
        ({"NFO": GOOD["NFO"].replace(b",NIFTY,", b",OTHER,")}, "of NFO lists no options of NIFTY"),
        ({"NFO": GOOD["NFO"] + GOOD["NFO"].split(b"\n")[1] + b"\n"}, "1 contracts twice, such as NIFTY25SEP24000CE"),
        (changed(",24050,0.05,75,PE", ",24050,0.05,75,CE"), "twice, such as NIFTY"),
        (changed("0.05,75,CE", "0.05,0,CE"), "lot_size of 'NIFTY25SEP24000CE' is '0'; it must be positive"),
        (changed("0.05,75,CE", "0,75,CE"), "tick_size of 'NIFTY25SEP24000CE' is '0'; it must be positive"),
        (changed(",24000,", ",-1,"), "strike of 'NIFTY25SEP24000CE' is '-1'; it must be positive"),
        (changed(",24000,", ",,"), "strike of 'NIFTY25SEP24000CE' is ''; it must be a number"),
        (changed("2025-09-30", "30-Sep-25"), "expiry of 'NIFTY25SEP24000CE' is '30-Sep-25'; it must be a date"),
        (changed(",CE,", ",XX,"), "instrument_type of 'NIFTY25SEP24000CE' is 'XX'; it must be CE or PE"),
        (GOOD | {"NSE": NSE.replace(b"NIFTY 50", b"NIFTY 500")}, "of NSE lists no index 'NIFTY 50'"),
    ],
)
def test_an_unusable_dump_is_refused_by_name(raw: dict[str, bytes], message: str) -> None:
    with pytest.raises(DumpError) as error:
        normalise_dump(raw, ["NIFTY"])
    assert message in str(error.value)
    assert str(error.value).endswith("fetch the instruments dump again")


def test_an_unknown_index_is_refused() -> None:
    with pytest.raises(DumpError, match="SENSEX50 is no index that G6 knows; allowed are NIFTY, BANKNIFTY"):
        normalise_dump(GOOD, ["SENSEX50"])


def test_monthly_forms_come_from_the_symbols() -> None:
    forms = monthly_forms(small_day().instruments, "NIFTY")
    assert forms == dict(zip(NIFTY_EXPIRIES, [False, False, True, True], strict=True))


def test_a_ladder_holds_every_strike_of_which_a_call_or_a_put_is_listed() -> None:
    raw = dump({"NIFTY": {SEPTEMBER: [24000, 24050, 24500]}})
    raw["NFO"] = b"\n".join(row for row in raw["NFO"].split(b"\n") if b"24050CE" not in row)
    day = make_day(
        calendar().session(FRIDAY), Conventions(), normalise_dump(raw, ["NIFTY"]), {"NIFTY": TAGS}, calendar()
    )
    assert day.ladder("NIFTY", SEPTEMBER).tolist() == [24000, 24050, 24500]
    call, put = day.contracts.number_of_leg[:, 0, 1]
    assert call == -1
    assert day.contracts.keys[put] == "NFO:NIFTY25SEP24050PE"
    with pytest.raises(KeyError, match="NIFTY 2025-10-28 is no chain of 2025-08-29; these are NIFTY 2025-09-30"):
        day.ladder("NIFTY", date(2025, 10, 28))


def test_a_day_holds_only_the_expiries_of_configured_labels() -> None:
    day = small_day()
    session, instruments = day.session, day.instruments
    monthly = make_day(session, Conventions(), instruments, {"NIFTY": ["this_month"]}, calendar())
    assert monthly.chains == (("NIFTY", SEPTEMBER),)
    assert monthly.tags("NIFTY") == {"this_month": SEPTEMBER}
    assert monthly.tags("BANKNIFTY") == {}
    assert day.tags("BANKNIFTY") == {"this_month": SEPTEMBER, "next_month": date(2025, 10, 28)}
    assert day.underlyings == ("BANKNIFTY", "NIFTY")


@pytest.mark.reference
def test_the_real_dump_of_18_august_2026_normalises(reference_data: Path) -> None:
    file = reference_data / "kite-instruments-2026-08-18" / "instruments_nfo_bfo.csv.gz"
    whole = pd.read_csv(file, dtype=str, keep_default_na=False)
    raw = {name: rows.to_csv(index=False).encode() for name, rows in whole.groupby("exchange")}
    table = normalise_dump(raw, list(INDICES))
    counts = table[table["contract_type"] == "option"].groupby("underlying").size().to_dict()
    assert counts == {
        "NIFTY": 1722,
        "BANKNIFTY": 960,
        "FINNIFTY": 480,
        "MIDCPNIFTY": 764,
        "SENSEX": 2398,
        "BANKEX": 896,
    }
    assert len(table) == 7238 + 7
    tags = {name: spec.tags for name, spec in INDICES.items()}
    day = make_day(calendar().session(date(2026, 8, 18)), Conventions(), table, tags, calendar())
    assert int((day.contracts.number_of_leg >= 0).sum()) == 3864
    assert day.tags("NIFTY")["next_week"] == day.tags("NIFTY")["this_month"] == date(2026, 8, 25)
    for ladder, padded in zip(day.contracts.ladders, day.contracts.grid, strict=True):
        assert (np.diff(ladder) > 0).all()
        assert np.array_equal(padded[: len(ladder)], ladder)
