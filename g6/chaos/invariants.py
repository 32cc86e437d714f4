"""What must hold after a day, judged from the stored bytes, the script and the broker's log. Each yields violations.

A violation is one sentence that names the instant and the thing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from g6.chaos.reasons import DOWN, Reasons
from g6.chaos.truth import FIELDS, Truth, aware
from g6.chaos.views import opened
from g6.chaos.world import ChaosWorld
from g6_market.schema import EXPIRIES, OPTION_CHAIN, QUOTES, SNAPSHOTS, empty_frame
from g6_sim.limits import LIMITS

# What `gaps` calls an index's answers that stand still for longer.
HALTED, STALE = "market halted", "stale"

CHAIN = ["underlying", "expiry"]
_AT_A_TIME = 3  # violations of one kind that are told; the rest is counted


@dataclass(frozen=True, slots=True)
class Stored:
    """The tables of a day, read once."""

    quotes: pd.DataFrame
    snapshots: pd.DataFrame
    chain: pd.DataFrame
    expiries: pd.DataFrame

    @classmethod
    def of(cls, world: ChaosWorld) -> "Stored":
        """Read them from the lake."""
        day, lake = world.script.trade_date, world.lake
        return cls(*(lake.read(table, day) for table in (QUOTES, SNAPSHOTS, OPTION_CHAIN, EXPIRIES)))

    @classmethod
    def nothing(cls) -> "Stored":
        """Return an empty day."""
        return cls(*(empty_frame(table) for table in (QUOTES, SNAPSHOTS, OPTION_CHAIN, EXPIRIES)))

    @property
    def captured(self) -> pd.DataFrame:
        """The quotes that the session received."""
        return self.quotes[self.quotes["source"] == "quote"]

    @property
    def healed(self) -> pd.DataFrame:
        """The quotes made from candles."""
        return self.quotes[self.quotes["source"] == "candle"]


def dues(world: ChaosWorld) -> list[datetime]:
    """Return the instants at which snapshots are due: the end of each interval up to the close, that one too."""
    step, session = timedelta(seconds=world.size.interval_seconds), world.script.session
    return [session.open + step * n for n in range(1, int((session.close - session.open) / step) + 1)]


def rows_are_what_was_served(stored: Stored, truth: Truth, reasons: Reasons) -> Iterator[str]:
    """Each captured row equals what the broker served for that contract at that instant."""
    captured = stored.captured
    if captured["exchange_at"].isna().any():
        yield f"{captured['exchange_at'].isna().sum()} captured rows without the exchange's stamp"
        captured = captured[captured["exchange_at"].notna()]
    yield from some(_identities(captured, truth))
    yield from some(_instants(captured, reasons))
    keys = captured["exchange"].astype(str) + ":" + captured["tradingsymbol"].astype(str)
    for stamp, rows in captured.groupby("exchange_at"):
        names = keys[rows.index].tolist()
        served = truth.served(names, aware(stamp))
        yield from some(_differences(rows, names, served, FIELDS))


def _identities(captured: pd.DataFrame, truth: Truth) -> Iterator[str]:
    options = captured[captured["contract_type"] == "option"].drop_duplicates(
        ["exchange", "tradingsymbol", "underlying", "expiry", "strike", "option_type"]
    )
    for row in options.itertuples():
        key = f"{row.exchange}:{row.tradingsymbol}"
        if truth.identities.get(key) != (row.underlying, row.expiry, row.strike, row.option_type):
            yield f"{key} is stored as {row.underlying} {row.expiry} {row.strike} {row.option_type}"


def _instants(captured: pd.DataFrame, reasons: Reasons) -> Iterator[str]:
    calls = captured[["snapshot_at", "received_at", "exchange_at"]].drop_duplicates()
    for due, received, stamp in calls.itertuples(index=False):
        asked, arrived = reasons.asked_within(aware(due)), aware(received)
        if not asked.start <= arrived <= asked.end:
            yield f"a row of {due:%H:%M:%S} was received at {received:%H:%M:%S}"
        if not timedelta() <= arrived - aware(stamp) < timedelta(seconds=1) and not any(
            timedelta() <= frozen - aware(stamp) < timedelta(seconds=1) for frozen in reasons.frozen_at(arrived)
        ):
            yield f"a row received at {received:%H:%M:%S} has the stamp {stamp:%H:%M:%S}"


def _differences(
    rows: pd.DataFrame, keys: Sequence[str], served: Mapping[str, Any], names: Iterable[str]
) -> Iterator[str]:
    for name in names:
        got = rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = ~(np.isclose(got, served[name], rtol=1e-6, atol=1e-9) | (np.isnan(got) & np.isnan(served[name])))
        for place in np.flatnonzero(wrong).tolist():
            at = rows["snapshot_at"].iloc[place]
            yield f"{keys[place]} at {at:%H:%M}: {name} is {got[place]}, {served[name][place]} was served"


def each_snapshot_is_stored_once_or_explained(world: ChaosWorld, stored: Stored, reasons: Reasons) -> Iterator[str]:
    """Each expected snapshot of each chain is stored once, or missing for a reason that was injected."""
    rows = stored.snapshots
    repeated = rows[rows.duplicated(["snapshot_at", *CHAIN])]
    yield from some(f"{row.snapshot_at:%H:%M} {row.underlying} has two rows" for row in repeated.itertuples())
    legs = stored.quotes[stored.quotes["contract_type"] != "index"]
    twice = legs[legs.duplicated(["snapshot_at", "exchange", "tradingsymbol"])]
    yield from some(f"{row.tradingsymbol} is stored twice for {row.snapshot_at:%H:%M}" for row in twice.itertuples())
    expected = {pd.Timestamp(due.replace(tzinfo=None)): due for due in dues(world)}
    yield from some(f"a row of {at}, which was not due" for at in sorted(set(rows["snapshot_at"]) - set(expected)))
    chains = stored.expiries[CHAIN].drop_duplicates().itertuples(index=False, name=None)
    yield from some(_unexplained(rows, expected, list(chains), reasons))
    yield from some(_miscounted(stored))


def _unexplained(
    rows: pd.DataFrame, expected: Mapping[pd.Timestamp, datetime], chains: Sequence[Any], reasons: Reasons
) -> Iterator[str]:
    found = {
        (row.snapshot_at, row.underlying, row.expiry): (row.outcome, row.cause)
        for row in rows[["snapshot_at", *CHAIN, "outcome", "cause"]].itertuples(index=False)
    }
    for at, due in expected.items():
        allowed: set[str] | None = None
        for underlying, expiry in chains:
            outcome, cause = found.get((at, underlying, expiry), ("missing", DOWN))
            if outcome == "stored":
                continue
            if outcome == "missing":
                if not reasons.down(due):
                    yield f"{at:%H:%M} {underlying} {expiry:%Y-%m-%d} has no row, and a session was capturing"
                continue
            allowed = reasons.causes(due) if allowed is None else allowed
            if cause not in allowed:
                wanted = ", ".join(sorted(allowed)) or "nothing"
                yield f"{at:%H:%M} {underlying} {expiry:%Y-%m-%d} is {outcome} by {cause!r}; injected was {wanted}"


def _miscounted(stored: Stored) -> Iterator[str]:
    options = stored.captured[stored.captured["contract_type"] == "option"]
    legs = options.groupby(["snapshot_at", *CHAIN]).size()
    told = stored.snapshots.set_index(["snapshot_at", *CHAIN])
    held = legs.reindex(told.index, fill_value=0)
    # What a stale answer held was not absent, it is thrown away.
    absent = told["requested"] - held
    wrong = told[(told["returned"] != held) | ((told["missing_legs"] != absent) & (told["outcome"] != "stale"))]
    for (at, underlying, _), row in wrong.iterrows():
        yield f"{at:%H:%M} {underlying}: {row['returned']} of {row['requested']} legs told, {held[row.name]} stored"
    for at, underlying, _ in legs.index.difference(told.index):
        yield f"{at:%H:%M} {underlying} has quotes and no row in snapshots"


def gaps_know_them(world: ChaosWorld, stored: Stored) -> Iterator[str]:
    """The view `gaps` names exactly what is not stored, with the causes of `snapshots`."""
    if stored.expiries.empty:
        return
    with opened(world) as connection:
        seen = connection.execute("SELECT snapshot_at, underlying, expiry, outcome, cause FROM gaps").fetchall()
    rows = stored.snapshots
    told = {
        (row.snapshot_at, row.underlying, row.expiry): (row.outcome, row.cause)
        for row in rows[["snapshot_at", *CHAIN, "outcome", "cause"]].itertuples(index=False)
    }
    wanted: dict[Any, Any] = {}
    for due in dues(world):
        at = pd.Timestamp(due.replace(tzinfo=None))
        for chain in stored.expiries[CHAIN].drop_duplicates().itertuples(index=False, name=None):
            outcome = told.get((at, *chain), ("missing", DOWN))
            if outcome[0] != "stored":
                wanted[(at, *chain)] = outcome
    shown = {
        (pd.Timestamp(at), name, pd.Timestamp(expiry)): (outcome, cause) for at, name, expiry, outcome, cause in seen
    }
    yield from some(f"gaps lacks {key[0]:%H:%M} {key[1]}" for key in sorted(set(wanted) - set(shown)))
    yield from some(f"gaps has {key[0]:%H:%M} {key[1]}, which is stored" for key in sorted(set(shown) - set(wanted)))
    yield from some(
        f"gaps says {shown[key]} of {key[0]:%H:%M} {key[1]}, snapshots {wanted[key]}"
        for key in sorted(set(shown) & set(wanted))
        if shown[key] != wanted[key] and (shown[key][1], wanted[key][1]) != (HALTED, STALE)
    )


def every_file_opens(folder: Path) -> Iterator[str]:
    """Every Parquet file reads to its end."""
    for path in sorted(folder.rglob("*.parquet")):
        if path.name.startswith("."):
            continue
        try:
            pq.ParquetFile(path).read(use_threads=False)
        except (pa.ArrowException, OSError) as error:
            yield f"{path.relative_to(folder)} does not open: {error}"


def limits_were_kept(log: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """In no second did the broker get more calls of a family than it allows, nor had it to say so."""
    calls: defaultdict[str, list[datetime]] = defaultdict(list)
    for row in log:
        at = datetime.fromisoformat(row["at"])
        before = calls[row["family"]]
        if before and at < before[-1]:
            before.clear()  # the clock was set back: what lay ahead never happened
        before.append(at)
        most = LIMITS[row["family"]]
        if len(before) > most and at - before[-1 - most] < timedelta(seconds=1):
            yield f"more than {most} {row['family']} calls in the second before {at:%H:%M:%S.%f}"
        if row["status"] == 429 and row["fault"] is None:
            yield f"the broker refused {row['path']} at {at:%H:%M:%S} for its limits"


def captured_is_untouched(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[str]:
    """What was captured is the same, row by row, after healing and sealing."""
    order = list(QUOTES.key)
    before, after = (frame.sort_values(order, ignore_index=True) for frame in (before, after))
    if len(before) != len(after):
        yield f"{len(before)} captured rows became {len(after)} with the seal"
    elif not before.equals(after):
        changed = [name for name in before.columns if not before[name].equals(after[name])]
        yield f"captured rows changed with the seal: {', '.join(changed)}"


def some(found: Iterator[str]) -> Iterator[str]:
    """Yield the first few violations of a kind, and how many more there are."""
    sentences = list(found)
    yield from sentences[:_AT_A_TIME]
    if len(sentences) > _AT_A_TIME:
        yield f"... and {len(sentences) - _AT_A_TIME} more like the last"
