from datetime import datetime, timedelta
from pathlib import Path

import pytest

from g6_market.calendar import IST
from g6_resources.kite.failures import BadAnswer
from g6_resources.kite.instruments import COLUMNS, CachedDump, InstrumentCache, validate_dump

MORNING = datetime(2026, 11, 20, 8, 45, tzinfo=IST)
SIX_HOURS = timedelta(hours=6)


def dump(rows: int, exchange: str = "NFO") -> bytes:
    lines = [
        f"{256 * n + 2},{n},NIFTY26NOV{20000 + n}CE,NIFTY,0.0,2026-11-23,{20000 + n}.0,0.05,65,CE,NFO-OPT,{exchange}"
        for n in range(rows)
    ]
    return ("\n".join([",".join(COLUMNS), *lines]) + "\n").encode()


@pytest.fixture
def cache(tmp_path: Path) -> InstrumentCache:
    return InstrumentCache(tmp_path)


def test_a_cached_dump_survives_a_restart(cache: InstrumentCache, tmp_path: Path):
    assert cache.get("NFO") is None
    cache.put("NFO", dump(3), MORNING)
    cached = InstrumentCache(tmp_path).get("NFO")
    assert cached is not None
    assert cached.path.read_bytes() == dump(3)
    assert cached.fetched_at == MORNING
    assert cached.rows() == 3
    assert cache.get("BFO") is None


def test_only_the_newest_dump_of_an_exchange_is_kept(cache: InstrumentCache, tmp_path: Path):
    cache.put("BFO", dump(1), MORNING)
    for hour in range(3):
        cache.put("NFO", dump(hour + 1), MORNING + timedelta(hours=hour))
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "instruments-BFO-20261120T084500.csv",
        "instruments-NFO-20261120T104500.csv",
    ]


@pytest.mark.parametrize(
    ("fetched_at", "now", "fresh"),
    [
        ("2026-11-20T08:45", "2026-11-20T08:45", True),
        ("2026-11-20T08:45", "2026-11-20T14:44", True),
        ("2026-11-20T08:45", "2026-11-20T14:45", False),
        ("2026-11-20T07:59", "2026-11-20T08:00", False),
        ("2026-11-20T08:00", "2026-11-20T08:00", True),
        ("2026-11-20T03:00", "2026-11-20T07:59", True),
        ("2026-11-19T22:00", "2026-11-20T03:00", True),
        ("2026-11-19T22:00", "2026-11-20T08:00", False),
        ("2026-11-20T08:45", "2026-11-19T09:00", False),
    ],
)
def test_a_dump_is_fresh_for_six_hours_and_never_past_eight_in_the_morning(fetched_at: str, now: str, fresh: bool):
    cached = CachedDump(Path(), datetime.fromisoformat(fetched_at).replace(tzinfo=IST))
    assert cached.is_fresh(datetime.fromisoformat(now).replace(tzinfo=IST), SIX_HOURS) is fresh


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_whole_dump_is_accepted(end: bytes):
    validate_dump(dump(2).rstrip() + end, "NFO", None)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "lacks the columns instrument_token"),
        (b"<html>bad gateway</html>", "lacks the columns instrument_token"),
        (dump(0), "is empty"),
        (dump(5)[:-6], "is truncated: its last line"),
        (dump(5)[:-3], "is truncated: its last line"),
        (dump(5, "BFO"), "is truncated: its last line"),
    ],
)
def test_an_empty_truncated_or_foreign_dump_is_refused(content: bytes, expected: str):
    with pytest.raises(BadAnswer, match=expected):
        validate_dump(content, "NFO", None)


def test_every_cut_of_a_dump_but_one_at_a_line_end_is_noticed():
    whole = dump(3)
    for end in range(len(whole)):
        if whole[:end].count(b",") % 11 == 0 and whole[:end].endswith((b"NFO", b"NFO\n")):
            continue
        with pytest.raises(BadAnswer):
            validate_dump(whole[:end], "NFO", None)


def test_a_dump_of_less_than_half_the_rows_before_is_refused(cache: InstrumentCache):
    cache.put("NFO", dump(100), MORNING)
    validate_dump(dump(50), "NFO", cache.get("NFO"))
    with pytest.raises(BadAnswer, match=r"49 rows, 100 in the one before\. If that is right, delete .*\.csv"):
        validate_dump(dump(49), "NFO", cache.get("NFO"))


def test_the_recorded_dump_is_accepted(reference_data: Path):
    import gzip

    (file,) = (reference_data / "kite-instruments-2026-08-18").glob("*.csv.gz")
    header, *rows = gzip.decompress(file.read_bytes()).splitlines()
    for exchange in ("NFO", "BFO"):
        mine = [row for row in rows if row.endswith(f",{exchange}".encode())]
        assert len(mine) > 4000
        validate_dump(b"\n".join([header, *mine, b""]), exchange, None)
