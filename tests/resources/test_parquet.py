"""How sealed files are laid out: what makes them small, and what lets a question skip most of them."""

from typing import Any

import numpy as np
import pandas as pd

from g6_market.schema import OPTION_CHAIN, QUOTES, conform
from g6_resources.arrow import pa, pq
from g6_resources.parquet import decode, encode, to_arrow, to_frame

DAY = pd.Timestamp("2026-11-20")
MINUTES, STRIKES = 385, 12


def chain(expiries: int) -> pd.DataFrame:
    """Calls of some expiries through a day, in the order of sealed files."""
    shape = (expiries, STRIKES, MINUTES)
    expiry, strike, minute = (axis.ravel() for axis in np.indices(shape))
    price = 100 + np.round(np.random.default_rng(1).normal(0, 1, expiry.size).cumsum() / 0.05) * 0.05
    frame = pd.DataFrame(
        {
            "snapshot_at": DAY + pd.to_timedelta(556 + minute, unit="min"),
            "underlying": "NIFTY",
            "expiry": DAY + pd.to_timedelta(7 * expiry, unit="D"),
            "strike": 24_000.0 + 50 * strike,
            "option_type": "CE",
            "tradingsymbol": "NIFTY",
            "last_price": price,
            "average_price": np.round(price.cumsum() / np.arange(1, price.size + 1), 2),
            "oi": 75 * np.arange(price.size),
            "t_years": 0.01,
            "iv": 0.1 + price / 1e4,
            "settlement_window": False,
            "source": "quote",
        }
    )
    return conform(frame, OPTION_CHAIN)


def metadata(data: bytes) -> Any:
    return pq.ParquetFile(pa.BufferReader(data)).metadata


def test_a_sealed_file_has_a_row_group_for_each_expiry_of_size() -> None:
    rows = chain(4)
    data = encode(to_arrow(rows, OPTION_CHAIN), OPTION_CHAIN, sealed=True)
    groups = metadata(data)
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [STRIKES * MINUTES * 2] * 2
    expiry = [groups.row_group(n).column(2).statistics for n in range(2)]
    assert expiry[0].max < expiry[1].min
    pd.testing.assert_frame_equal(to_frame(decode(data), OPTION_CHAIN), rows)


def test_a_live_file_is_one_row_group() -> None:
    data = encode(to_arrow(chain(4), OPTION_CHAIN), OPTION_CHAIN, sealed=False)
    assert metadata(data).num_row_groups == 1


def test_rows_without_an_expiry_share_the_last_row_group() -> None:
    index = {"underlying": "NIFTY", "contract_type": "index", "exchange": "NSE", "tradingsymbol": "NIFTY 50"}
    at = DAY + pd.to_timedelta(556 + np.arange(MINUTES), unit="min")
    stamps = dict.fromkeys(("snapshot_at", "received_at", "known_at"), at)
    rows = conform(pd.DataFrame(stamps).assign(**index, last_price=24_000.0, attempt=1, source="quote"), QUOTES)
    data = encode(to_arrow(rows, QUOTES), QUOTES, sealed=True)
    assert [metadata(data).num_row_groups, metadata(data).num_rows] == [1, MINUTES]


def test_each_sealed_column_is_encoded_as_its_schema_says() -> None:
    group = metadata(encode(to_arrow(chain(1), OPTION_CHAIN), OPTION_CHAIN, sealed=True)).row_group(0)
    encodings = {group.column(n).path_in_schema: group.column(n).encodings for n in range(group.num_columns)}
    assert "BYTE_STREAM_SPLIT" in encodings["last_price"]
    assert "BYTE_STREAM_SPLIT" in encodings["iv"]
    assert "RLE_DICTIONARY" in encodings["strike"]
    assert set(encodings["average_price"]) == {"PLAIN", "RLE"}
