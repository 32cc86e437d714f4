"""Labels of expiries: real listings, the predecessor's wrong answers, and what always holds."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g6_market.calendar import TradingCalendar
from g6_market.expiries import ExpiryError, ExpiryTags, expiries_table, is_monthly_symbol, resolve_expiries
from g6_market.indices import INDICES, TAGS
from g6_market.schema import EXPIRIES


def dates(*texts: str) -> list[date]:
    return [date.fromisoformat(text) for text in texts]


def labels(trade_date: str, listed: list[date], monthly: list[date] | None = None) -> dict[str, str]:
    symbols = None if monthly is None else {expiry: expiry in monthly for expiry in listed}
    resolved = resolve_expiries(date.fromisoformat(trade_date), listed, monthly_symbols=symbols)
    return {tag: str(expiry) for tag, expiry in resolved.mapping.items()}


SENSEX_2025_09_26 = dates(
    "2025-10-01", "2025-10-09", "2025-10-16", "2025-10-23", "2025-10-30", "2025-11-06", "2025-11-13", "2025-11-27",
    "2025-12-24", "2026-03-26", "2026-06-25", "2026-09-24", "2026-12-31", "2030-06-27",
)  # fmt: skip
SENSEX_MONTHLY = dates(
    "2025-10-30", "2025-11-27", "2025-12-24", "2026-03-26", "2026-06-25", "2026-09-24", "2026-12-31", "2030-06-27"
)


def test_the_predecessors_four_answers_for_sensex_become_the_right_one() -> None:
    # Its resolvers said this_month = 2025-10-01 or 2025-09-25, next_month = 2025-10-30, this_week = 2025-10-02.
    assert labels("2025-09-29", SENSEX_2025_09_26, SENSEX_MONTHLY) == {
        "this_week": "2025-10-01",
        "next_week": "2025-10-09",
        "this_month": "2025-10-30",
        "next_month": "2025-11-27",
    }


@pytest.mark.parametrize(
    ("trade_date", "expiry"), [("2025-12-01", "2025-12-24"), ("2025-12-24", "2025-12-24"), ("2025-09-29", "2025-10-01")]
)
def test_a_holiday_shifted_expiry_is_never_moved_to_its_weekday(trade_date: str, expiry: str) -> None:
    # The predecessor's sink stored 2025-12-24 as 2025-12-31 and 2025-10-01 as 2025-10-29.
    resolved = labels(trade_date, SENSEX_2025_09_26, SENSEX_MONTHLY)
    assert expiry in resolved.values()
    assert not {"2025-12-31", "2025-10-29"} & set(resolved.values())


@pytest.mark.parametrize("trade_date", ["2025-11-26", "2025-11-27"])
def test_a_listing_that_holds_no_weeklies_has_monthly_labels_only_also_on_expiry_day(trade_date: str) -> None:
    assert labels(trade_date, SENSEX_2025_09_26, SENSEX_MONTHLY) == {
        "this_month": "2025-11-27",
        "next_month": "2025-12-24",
    }


def test_the_expiring_contract_keeps_its_labels_through_its_last_day_and_rolls_the_next() -> None:
    listed = dates("2026-11-17", "2026-11-23", "2026-12-01", "2026-12-08", "2026-12-29", "2027-01-25")
    monthly = dates("2026-11-23", "2026-12-29", "2027-01-25")
    assert labels("2026-11-23", listed, monthly) == {
        "this_week": "2026-11-23",
        "next_week": "2026-12-01",
        "this_month": "2026-11-23",
        "next_month": "2026-12-29",
    }
    assert labels("2026-11-25", listed, monthly) == {
        "this_week": "2026-12-01",
        "next_week": "2026-12-08",
        "this_month": "2026-12-29",
        "next_month": "2027-01-25",
    }


def test_the_week_of_the_first_moved_back_by_a_holiday_is_not_the_month() -> None:
    # NIFTY, Thursdays, 1 May 2025 a holiday: NIFTY25APR.. expired on the 24th, NIFTY25430.. on the 30th.
    listed = dates("2025-04-24", "2025-04-30", "2025-05-08", "2025-05-15", "2025-05-22", "2025-05-29", "2025-06-26")
    monthly = dates("2025-04-24", "2025-05-29", "2025-06-26")
    assert labels("2025-04-24", listed, monthly) == {
        "this_week": "2025-04-24",
        "next_week": "2025-04-30",
        "this_month": "2025-04-24",
        "next_month": "2025-05-29",
    }
    for day in ("2025-04-25", "2025-04-30"):
        assert labels(day, listed, monthly) == {
            "this_week": "2025-04-30",
            "next_week": "2025-05-08",
            "this_month": "2025-05-29",
            "next_month": "2025-06-26",
        }


def test_an_index_whose_weeklies_end_keeps_its_week_until_the_last_one_expires() -> None:
    listed = dates("2024-11-13", "2024-11-27", "2024-12-24", "2025-01-30")
    monthly = dates("2024-11-27", "2024-12-24", "2025-01-30")
    assert labels("2024-11-13", listed, monthly) == {
        "this_week": "2024-11-13",
        "next_week": "2024-11-27",
        "this_month": "2024-11-27",
        "next_month": "2024-12-24",
    }
    assert labels("2024-11-14", listed, monthly) == {"this_month": "2024-11-27", "next_month": "2024-12-24"}


def test_one_expiry_alone_has_one_label() -> None:
    assert labels("2026-08-20", dates("2026-08-25")) == {"this_month": "2026-08-25"}


NIFTY_2026_08_18 = dates("2026-08-18", "2026-08-25", "2026-09-01", "2026-09-08", "2026-09-15", "2026-09-29")
NIFTY_MONTHLY = dates("2026-08-25", "2026-09-29")


@pytest.mark.parametrize("missing", NIFTY_MONTHLY, ids=str)
def test_a_dump_without_its_monthly_expiry_is_refused(missing: date) -> None:
    listed = [expiry for expiry in NIFTY_2026_08_18 if expiry != missing]
    with pytest.raises(ExpiryError, match=r"NIFTY on 2026-08-18.*weekly symbols.*fetch the dump again"):
        resolve_expiries(
            date(2026, 8, 18),
            listed,
            monthly_symbols={expiry: expiry in NIFTY_MONTHLY for expiry in listed},
            underlying="NIFTY",
        )


@pytest.mark.parametrize("flipped", NIFTY_2026_08_18, ids=str)
def test_any_symbol_that_contradicts_the_listing_is_refused_by_its_expiry(flipped: date) -> None:
    symbols = {expiry: (expiry in NIFTY_MONTHLY) != (expiry == flipped) for expiry in NIFTY_2026_08_18}
    with pytest.raises(ExpiryError, match=str(flipped)):
        resolve_expiries(date(2026, 8, 18), NIFTY_2026_08_18, monthly_symbols=symbols)


@pytest.mark.parametrize("listed", [[], dates("2026-08-11")])
def test_nothing_listed_any_more_is_an_error(listed: list[date]) -> None:
    with pytest.raises(ExpiryError, match=r"no expiry on or after 2026-08-18"):
        resolve_expiries(date(2026, 8, 18), listed)


@pytest.mark.parametrize(
    ("symbol", "underlying", "monthly"),
    [
        ("NIFTY26AUG24350CE", "NIFTY", True),
        ("NIFTY26AUGFUT", "NIFTY", True),
        ("NIFTY2681824350CE", "NIFTY", False),
        ("NIFTY2690124350PE", "NIFTY", False),
        ("SENSEX26O0176200CE", "SENSEX", False),
        ("SENSEX26OCT77100CE", "SENSEX", True),
        ("SENSEX25D0485000PE", "SENSEX", False),
        ("SENSEX25DEC85000PE", "SENSEX", True),
        ("MIDCPNIFTY26AUG14975CE", "MIDCPNIFTY", True),
    ],
)
def test_the_form_of_a_symbol_tells_monthly_from_weekly(symbol: str, underlying: str, monthly: bool) -> None:
    assert is_monthly_symbol(symbol, underlying) is monthly


@pytest.mark.parametrize(
    ("symbol", "underlying"),
    [("NIFTY 50", "NIFTY"), ("NIFTYNXT5026AUG70000CE", "NIFTY"), ("BANKNIFTY26AUG57500CE", "NIFTY"), ("26AUGFUT", "X")],
)
def test_a_symbol_of_something_else_is_refused(symbol: str, underlying: str) -> None:
    with pytest.raises(ExpiryError, match="no derivative symbol of"):
        is_monthly_symbol(symbol, underlying)


def test_one_expiry_may_have_several_labels_and_counts_once() -> None:
    tags = resolve_expiries(date(2026, 8, 18), NIFTY_2026_08_18)
    assert tags.of(date(2026, 8, 25)) == ("next_week", "this_month")
    assert tags.of(date(2026, 9, 15)) == ()
    assert tags.expiries == tuple(dates("2026-08-18", "2026-08-25", "2026-09-29"))
    assert tags.front == date(2026, 8, 18)


LISTINGS = st.lists(st.dates(date(2026, 1, 1), date(2027, 6, 30)), min_size=1, max_size=20)


@given(listed=LISTINGS, data=st.data())
def test_labels_are_ordered_alive_listed_and_monthly_ones_last_of_their_month(
    listed: list[date], data: st.DataObject
) -> None:
    trade_date = data.draw(st.dates(date(2026, 1, 1), max(listed)))
    tags = resolve_expiries(trade_date, listed)
    mapping = tags.mapping
    alive = sorted({expiry for expiry in listed if expiry >= trade_date})
    last_of_month = [
        a for a, b in zip(alive, [*alive[1:], None], strict=True) if b is None or (a.year, a.month) != (b.year, b.month)
    ]

    assert set(mapping.values()) <= set(alive)
    assert tags.front == alive[0]
    assert [mapping[tag] for tag in TAGS[2:] if tag in mapping] == last_of_month[:2]
    assert [mapping[tag] for tag in TAGS[:2] if tag in mapping] == (alive[:2] if alive != last_of_month else [])
    assert all(tags.is_monthly(expiry) == (expiry in last_of_month) for expiry in tags.expiries)
    assert sorted(tag for expiry in tags.expiries for tag in tags.of(expiry)) == sorted(mapping)


@given(listed=LISTINGS, data=st.data())
def test_neither_order_nor_repeats_nor_expired_contracts_matter(listed: list[date], data: st.DataObject) -> None:
    trade_date = data.draw(st.dates(date(2026, 1, 1), max(listed)))
    shuffled = data.draw(st.permutations([*listed, *listed, trade_date - timedelta(days=1)]))
    assert resolve_expiries(trade_date, shuffled) == resolve_expiries(trade_date, listed)


@given(listed=LISTINGS)
def test_labels_only_change_on_the_morning_after_an_expiry(listed: list[date]) -> None:
    first, last = min(listed), max(listed)
    before = resolve_expiries(first, listed)
    for n in range(1, min((last - first).days, 120) + 1):
        day = first + timedelta(days=n)
        after = resolve_expiries(day, listed)
        if day - timedelta(days=1) not in listed:
            assert after == before
        before = after


@given(listed=LISTINGS, data=st.data())
def test_symbols_that_agree_with_the_listing_change_nothing(listed: list[date], data: st.DataObject) -> None:
    trade_date = data.draw(st.dates(date(2026, 1, 1), max(listed)))
    alive = {expiry for expiry in listed if expiry >= trade_date}
    last_of_month = {(expiry.year, expiry.month): expiry for expiry in sorted(alive)}.values()
    symbols = {expiry: expiry in last_of_month for expiry in alive}
    assert resolve_expiries(trade_date, listed, monthly_symbols=symbols) == resolve_expiries(trade_date, listed)


def test_the_table_of_a_day_counts_sessions_over_holidays_and_takes_settlement_from_the_expiry() -> None:
    tags = ExpiryTags({"this_month": date(2026, 11, 23), "next_month": date(2026, 12, 29)})
    table = expiries_table(date(2026, 11, 20), {"BANKNIFTY": tags}, TradingCalendar.load())
    assert list(table.columns) == list(EXPIRIES.names)
    assert table["expiry_tag"].tolist() == ["this_month", "next_month"]
    assert table["trading_days_to_expiry"].tolist() == [1, 25]
    assert table["settlement_fixed_at"].tolist() == [pd.Timestamp("2026-11-23 15:35"), pd.Timestamp("2026-12-29 15:35")]
    assert table["is_monthly"].all()


def resolve_dump(dump: pd.DataFrame, underlying: str, trade_date: date) -> ExpiryTags:
    options = dump[(dump["name"] == underlying) & dump["instrument_type"].isin(["CE", "PE"])]
    forms: dict[date, bool] = {}
    for expiry, group in options.groupby("expiry"):
        found = {is_monthly_symbol(symbol, underlying) for symbol in group["tradingsymbol"]}
        assert len(found) == 1
        forms[date.fromisoformat(str(expiry))] = found.pop()
    return resolve_expiries(trade_date, forms, monthly_symbols=forms, underlying=underlying)


@pytest.fixture(scope="module")
def dump(reference_data: Path) -> pd.DataFrame:
    return pd.read_csv(reference_data / "kite-instruments-2026-08-18" / "instruments_nfo_bfo.csv.gz")


NSE_MONTHS = dates("2026-08-25", "2026-09-29")
BSE_MONTHS = dates("2026-08-27", "2026-09-24")


@pytest.mark.reference
@pytest.mark.parametrize(
    ("underlying", "expected"),
    [
        ("NIFTY", [*dates("2026-08-18", "2026-08-25"), *NSE_MONTHS]),
        ("BANKNIFTY", NSE_MONTHS),
        ("FINNIFTY", NSE_MONTHS),
        ("MIDCPNIFTY", NSE_MONTHS),
        ("SENSEX", [*dates("2026-08-20", "2026-08-27"), *BSE_MONTHS]),
        ("BANKEX", BSE_MONTHS),
    ],
)
def test_the_recorded_dump_resolves_for_all_six_indices(
    underlying: str, expected: list[date], dump: pd.DataFrame
) -> None:
    tags = resolve_dump(dump, underlying, date(2026, 8, 18))
    assert tags.mapping == dict(zip(INDICES[underlying].tags, expected, strict=True))


@pytest.mark.reference
@pytest.mark.parametrize("underlying", INDICES)
def test_the_recorded_dump_agrees_with_its_symbols_on_every_day_of_its_life(
    underlying: str, dump: pd.DataFrame
) -> None:
    contracts = dump.drop_duplicates(["name", "expiry", "instrument_type"])
    for day in pd.date_range("2026-08-18", "2026-10-27").date:
        assert resolve_dump(contracts, underlying, day).front >= day


@pytest.mark.reference
@pytest.mark.parametrize(
    ("underlying", "expected"),
    [
        ("NIFTY", dates("2025-09-02", "2025-09-09", "2025-09-30", "2025-10-28")),
        ("BANKNIFTY", dates("2025-09-30", "2025-10-28")),
    ],
)
def test_after_the_months_last_expiry_the_recorded_chain_rolls_to_the_next(
    underlying: str, expected: list[date], reference_data: Path
) -> None:
    chain = pd.read_parquet(
        reference_data / "nse-option-chain-minute-2025-08" / f"{underlying}_20250829.parquet", columns=["Expiry_Date"]
    )
    listed = [stamp.date() for stamp in pd.to_datetime(chain["Expiry_Date"].unique().astype(str), format="%d-%b-%Y")]
    tags = resolve_expiries(date(2025, 8, 29), listed)
    assert tags.mapping == dict(zip(INDICES[underlying].tags, expected, strict=True))
