"""The six indices, India VIX, and the words for their expiries.

Facts that never come from the instruments dump: how an index's spot is quoted and where its derivatives trade. Lots,
strikes, steps and expiry dates do come from the dump (`instruments`, `expiries`); which indices are collected is a
setting.
"""

from dataclasses import dataclass

TAGS = ("this_week", "next_week", "this_month", "next_month")
"""The expiry labels, in the order of their bits."""

TAG_BITS = {"this_week": 1, "next_week": 2, "this_month": 4, "next_month": 8}
"""Bit of each label in `expected_mask`, `collected_mask` and `missing_mask`."""

FRONT = "front"
"""The nearest expiry of any index: accepted in queries wherever a label is, never a partition key, folder or bit."""

MONTHLY_TAGS = ("this_month", "next_month")
"""The labels of an index that lists only monthly expiries."""


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """One index as Kite knows it.

    Parameters
    ----------
    name
        The underlying's code, which is `name` in the instruments dump.
    derivative_exchange
        Exchange of its futures and options: "NFO" or "BFO".
    spot_exchange, spot_symbol, spot_token
        The index's own row in Kite's cash dump. The token is a fixed fact (exchange token x 256 + 9).
    has_weeklies
        Whether weekly expiries were listed in August 2026. Only a hint for default settings: the dump decides.
    """

    name: str
    derivative_exchange: str
    spot_exchange: str
    spot_symbol: str
    spot_token: int
    has_weeklies: bool

    @property
    def spot_key(self) -> str:
        """What a quote call asks for, such as "NSE:NIFTY 50"."""
        return f"{self.spot_exchange}:{self.spot_symbol}"

    @property
    def tags(self) -> tuple[str, ...]:
        """The labels to collect by default."""
        return TAGS if self.has_weeklies else MONTHLY_TAGS


# SEBI's order of 2024-10-01 leaves each exchange one index with weekly expiries.
INDICES: dict[str, IndexSpec] = {
    spec.name: spec
    for spec in (
        IndexSpec("NIFTY", "NFO", "NSE", "NIFTY 50", 256265, has_weeklies=True),
        IndexSpec("BANKNIFTY", "NFO", "NSE", "NIFTY BANK", 260105, has_weeklies=False),
        IndexSpec("FINNIFTY", "NFO", "NSE", "NIFTY FIN SERVICE", 257801, has_weeklies=False),
        IndexSpec("MIDCPNIFTY", "NFO", "NSE", "NIFTY MID SELECT", 288009, has_weeklies=False),
        IndexSpec("SENSEX", "BFO", "BSE", "SENSEX", 265, has_weeklies=True),
        IndexSpec("BANKEX", "BFO", "BSE", "BANKEX", 274441, has_weeklies=False),
    )
}
"""Every index G6 knows, by name."""

VIX_KEY = "NSE:INDIA VIX"
"""What a quote call asks for to get India VIX."""

VIX_TOKEN = 264969
"""Kite's token of India VIX."""

VIX_UNDERLYING = "INDIAVIX"
"""The name under which India VIX is stored beside the indices."""
