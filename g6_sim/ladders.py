"""Which strikes the exchanges list, by index and place of the expiry: read off the real dump of 2026-08-18.

A table of grids, not the dump itself. Expiry dates and contracts are `listing`'s.
"""

from dataclasses import dataclass

Grid = tuple[int, int, int]
"""First strike, last strike, step."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Strikes of an expiry: the union of grids; far from the money some strikes have a call or a put alone."""

    both: tuple[Grid, ...]
    puts_only: tuple[Grid, ...] = ()
    calls_only: tuple[Grid, ...] = ()

    def strikes(self, *, calls: bool) -> list[int]:
        """Return the sorted strikes that have a call, or those that have a put."""
        alone = self.calls_only if calls else self.puts_only
        return sorted({strike for first, last, step in self.both + alone for strike in range(first, last + 1, step)})


@dataclass(frozen=True, slots=True)
class ListingRule:
    """What an index lists, as seen in the dump of 2026-08-18.

    Parameters
    ----------
    weeks
        How many weekly expiries are listed, where the index has weeklies.
    weekly, monthly
        Ladder by rank among the listed weeks and months; the last one repeats.
    quarter_grid
        Strikes left over from a quarterly's long life, in the months of a quarter's end.
    far
        Ladder of quarterly and half-yearly expiries beyond the third month, by rank; empty where none are listed.
    half_years
        Whether June and December are listed up to five years ahead.
    """

    weeks: int
    weekly: tuple[Ladder, ...]
    monthly: tuple[Ladder, ...]
    quarter_grid: tuple[Grid, ...] = ()
    far: tuple[Ladder, ...] = ()
    half_years: bool = False


def _ladders(*unions: tuple[Grid, ...]) -> tuple[Ladder, ...]:
    return tuple(Ladder(union) for union in unions)


_NIFTY_FAR: Grid = (16_500, 33_000, 1_500)
RULES: dict[str, ListingRule] = {
    "NIFTY": ListingRule(
        weeks=5,
        weekly=_ladders(
            ((22_000, 27_200, 50),),
            ((22_000, 27_200, 50),),
            ((22_000, 27_200, 50),),
            ((22_600, 26_400, 50),),
            ((22_600, 26_200, 50),),
        ),
        monthly=_ladders(((21_200, 27_200, 50),), ((21_600, 27_200, 50),), ((22_250, 27_200, 50),)),
        quarter_grid=((15_000, 34_500, 1_500),),
        far=(
            Ladder(
                (_NIFTY_FAR, (16_000, 16_000, 1), (18_000, 30_000, 1_000)),
                puts_only=((12_000, 15_000, 1_000), (17_000, 17_000, 1)),
                calls_only=((31_000, 31_000, 1), (34_500, 34_500, 1)),
            ),
            Ladder((_NIFTY_FAR,), puts_only=((15_000, 15_000, 1),)),
            Ladder((_NIFTY_FAR, (19_000, 19_000, 1))),
            Ladder(
                (_NIFTY_FAR, (25_000, 26_000, 1_000)),
                puts_only=((15_000, 19_000, 2_000), (20_000, 20_000, 1), (22_000, 23_000, 1_000)),
            ),
            Ladder((_NIFTY_FAR,)),
        ),
        half_years=True,
    ),
    "BANKNIFTY": ListingRule(
        weeks=5,
        weekly=_ladders(((48_500, 64_200, 100),)),
        monthly=_ladders(
            ((46_000, 66_000, 500), (48_500, 64_200, 100)),
            ((49_000, 66_000, 500), (51_500, 64_200, 100)),
            ((49_500, 65_500, 500), (51_500, 64_000, 100)),
        ),
        quarter_grid=((43_500, 69_000, 1_500),),
        far=(
            Ladder(((49_500, 66_000, 1_500),), puts_only=((45_000, 48_000, 3_000),)),
            Ladder(((49_500, 66_000, 1_500),)),
        ),
    ),
    "FINNIFTY": ListingRule(
        weeks=5,
        weekly=_ladders(((23_800, 28_300, 50),)),
        monthly=_ladders(
            ((22_000, 30_000, 500), (22_500, 29_600, 100), (23_800, 28_300, 50)),
            ((23_000, 30_000, 500), (23_500, 29_600, 100)),
            ((23_000, 30_000, 500), (23_800, 29_000, 100)),
        ),
    ),
    "MIDCPNIFTY": ListingRule(
        weeks=5,
        weekly=_ladders(((12_500, 16_100, 25),)),
        monthly=_ladders(
            ((12_400, 16_600, 100), (12_500, 16_100, 25)),
            ((12_900, 16_600, 100), (12_950, 16_100, 25)),
            ((13_000, 16_600, 100), (13_800, 15_825, 25)),
        ),
    ),
    "SENSEX": ListingRule(
        weeks=7,
        weekly=_ladders(
            ((71_000, 84_300, 100),),
            ((71_000, 84_300, 100),),
            ((71_100, 84_000, 100),),
            ((71_100, 84_000, 100),),
            ((72_900, 84_000, 100),),
            ((72_900, 84_000, 100),),
            ((73_000, 83_100, 100),),
        ),
        monthly=_ladders(((66_800, 84_300, 100),), ((69_500, 84_400, 100),), ((72_900, 84_000, 100),)),
        quarter_grid=((67_000, 91_000, 1_000),),
        far=_ladders(((72_000, 84_000, 1_000),)),
        half_years=True,
    ),
    "BANKEX": ListingRule(
        weeks=5,
        weekly=_ladders(((53_900, 72_900, 100),)),
        monthly=_ladders(((53_900, 72_900, 100),), ((58_500, 72_900, 100),), ((59_800, 70_900, 100),)),
    ),
}
"""Every index, by name."""
