"""A trader's thresholds on the numbers of overview."""

import pandas as pd
import pytest

from g6_market.thresholds import Threshold, crossings

OVERVIEW = pd.DataFrame(
    {"underlying": ["NIFTY", "BANKNIFTY"], "pcr_oi": [1.4, 0.6], "india_vix": [12.0, 12.0], "iv30": [None, 0.15]}
)


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        (Threshold("NIFTY", "pcr_oi", above=1.3), "NIFTY pcr_oi is 1.4, above 1.3"),
        (Threshold("BANKNIFTY", "pcr_oi", above=1.3, below=0.7), "BANKNIFTY pcr_oi is 0.6, below 0.7"),
        (Threshold("NIFTY", "pcr_oi", above=1.4), None),  # at the bound is not beyond it
        (Threshold("NIFTY", "pcr_oi", below=1.4), None),
        (Threshold("NIFTY", "iv30", below=1.0), None),  # unknown crosses nothing
        (Threshold("SENSEX", "pcr_oi", above=0.0), None),  # not captured
    ],
)
def test_a_number_beyond_its_bound_crosses_it(threshold: Threshold, said: str | None) -> None:
    assert [str(one) for one in crossings([threshold], OVERVIEW)] == ([said] if said else [])
