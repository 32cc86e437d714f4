"""What is fixed about each index, against the recorded dump."""

from pathlib import Path

import pandas as pd
import pytest

from g6_market.indices import FRONT, INDICES, TAG_BITS, TAGS, VIX_KEY, VIX_TOKEN

INDEX_SEGMENT = 9


def test_the_six_indices_are_known_by_their_name() -> None:
    assert list(INDICES) == ["NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "SENSEX", "BANKEX"]
    assert all(spec.name == name for name, spec in INDICES.items())


def test_spot_keys_are_what_kite_calls_them() -> None:
    assert INDICES["NIFTY"].spot_key == "NSE:NIFTY 50"
    assert INDICES["MIDCPNIFTY"].spot_key == "NSE:NIFTY MID SELECT"
    assert INDICES["SENSEX"].spot_key == "BSE:SENSEX"
    assert VIX_KEY == "NSE:INDIA VIX"


@pytest.mark.parametrize("token", [*(spec.spot_token for spec in INDICES.values()), VIX_TOKEN])
def test_every_spot_token_lies_in_the_index_segment(token: int) -> None:
    assert token % 256 == INDEX_SEGMENT


def test_label_bits_are_distinct_and_in_order_and_front_has_none() -> None:
    assert [TAG_BITS[tag] for tag in TAGS] == [1, 2, 4, 8]
    assert FRONT not in TAG_BITS


@pytest.mark.reference
def test_the_recorded_dump_trades_each_index_where_we_say(reference_data: Path) -> None:
    dump = pd.read_csv(reference_data / "kite-instruments-2026-08-18" / "instruments_nfo_bfo.csv.gz")
    exchanges = dump[dump["name"].isin(list(INDICES))].groupby("name")["exchange"].unique().map(list).to_dict()
    assert exchanges == {name: [spec.derivative_exchange] for name, spec in INDICES.items()}
