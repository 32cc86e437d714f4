"""The two shapes of configuration of G6's predecessor, read into the present one.

`config/g6_config.json` "2.0" and the `config/_config.json` before it share no key with different meanings, so one table
serves both. Each setting is mapped or ignored with a reason; nothing disappears without a note.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from g6_market.indices import INDICES, TAGS

_MARKERS = ("application", "metrics", "greeks", "features", "console", "orchestration", "index_params")

_MOVED = {
    "collection.interval_seconds": "collection.interval_seconds",
    "greeks.risk_free_rate": "pricing.risk_free_rate",
    "storage.csv_dir": "storage.csv.dir",
    "storage.influx.enabled": "storage.influx.enabled",
    "storage.influx.url": "storage.influx.url",
    "storage.influx.org": "storage.influx.org",
    "storage.influx.bucket": "storage.influx.bucket",
    "overlays.weekday.alpha": "overlays.weekday.alpha",
    "storage.influx_enabled": "storage.influx.enabled",
    "storage.influx_url": "storage.influx.url",
    "storage.influx_org": "storage.influx.org",
    "storage.influx_bucket": "storage.influx.bucket",
    "kite.instrument_ttl_hours": "kite.instruments_ttl_hours",
    "kite.http_timeout": "kite.timeout_seconds",
    "orchestration.run_interval_sec": "collection.interval_seconds",
}

_IGNORED = {
    "$schema": "the present shape has its own",
    "version": "the present shape is 3.0",
    "application": "there is one",
    "metrics": "metrics are not set here yet",
    "greeks": "volatility and greeks are always solved, in closed limits and with a reason where there is none",
    "storage.parquet": "Parquet is always written: it is the truth",
    "overlays.weekday.output_dir": "overlays lie in the lake",
    "features": "analytics are assets, started in Dagster",
    "console": "the terminal needs no settings",
    "providers": "Kite is the broker; `g6 demo` and `g6 sim` serve simulated data",
    "kite.instrument_cache_path": "the cache lies in the world's folder",
    "kite.rate_limit_per_sec": "Kite limits each kind of call by itself: see kite.limits",
    "kite.max_retries": "a call is retried within its snapshot's time",
    "kite.default_exchanges": "exchanges follow from the indices",
    "orchestration.market_start_time": "session hours come from the trading calendar",
    "orchestration.market_end_time": "session hours come from the trading calendar",
    "orchestration": "Dagster runs the day",
    "index_params": "strikes, lots, exchanges and expiries come from the daily instruments dump",
    "indices": "not a setting of the present shape",
}


@dataclass(slots=True)
class Translation:
    """An older file in the present shape.

    Parameters
    ----------
    content
        The file in the present shape, not yet validated.
    notes
        What was mapped or ignored, one sentence each.
    origins
        Path in the older file by path in the present shape.
    """

    content: dict[str, Any] = field(default_factory=lambda: {"version": "3.0"})
    notes: list[str] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)

    def move(self, old: str, new: str, value: object) -> None:
        """Set a value of the present shape, and note where it came from."""
        *parents, last = new.split(".")
        holder = self.content
        for parent in parents:
            holder = cast(dict[str, Any], holder.setdefault(parent, {}))
        holder[last] = value
        self.origins[new] = old
        if old != new:
            self.notes.append(f"{old} is read as {new}")


def is_older(content: Mapping[str, Any]) -> bool:
    """Tell whether a parsed file has one of the older shapes."""
    return content.get("version") == "2.0" or (
        "version" not in content and any(marker in content for marker in _MARKERS)
    )


def translate(content: Mapping[str, Any]) -> Translation:
    """Read a file of either older shape into the present one."""
    translation = Translation()
    ignored: dict[str, list[str]] = {}
    for path, value in _leaves(content):
        if path in _MOVED:
            translation.move(path, _MOVED[path], value)
        elif not path.startswith(("indices.", "index_params.")):
            rule = next((rule for rule in _prefixes(path) if rule in _IGNORED), "")
            ignored.setdefault(_IGNORED.get(rule, "no such setting is known"), []).append(path)
    _translate_indices(content.get("indices"), translation, _strikes_of_2_0, "indices", ignored)
    _translate_indices(content.get("index_params"), translation, _strikes_of_offsets, "index_params", ignored)
    _make_room(translation)
    translation.notes += [f"ignored: {', '.join(paths)} ({reason})" for reason, paths in ignored.items()]
    return translation


def _leaves(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from _leaves(cast(dict[str, Any], value), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _prefixes(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]


_Strikes = tuple[str, object] | None


def _strikes_of_2_0(entry: Mapping[str, Any]) -> _Strikes:
    sides = [(entry[key], key) for key in ("strikes_itm", "strikes_otm") if key in entry]
    if not sides:
        return None
    value, key = max(sides) if all(isinstance(value, int) for value, _ in sides) else sides[0]
    return key, value


def _strikes_of_offsets(entry: Mapping[str, Any]) -> _Strikes:
    offsets = entry.get("offsets")
    if not isinstance(offsets, list) or not all(isinstance(offset, int) for offset in cast(list[object], offsets)):
        return None
    return "offsets", max((abs(offset) for offset in cast(list[int], offsets)), default=1)


def _translate_indices(
    entries: object, translation: Translation, strikes_of: Any, name: str, ignored: dict[str, list[str]]
) -> None:
    if not isinstance(entries, dict):
        return
    for index, entry in cast(dict[str, dict[str, Any]], entries).items():
        old, new = f"{name}.{index}", f"indices.{index}"
        if not isinstance(entry, dict):  # pyright: ignore[reportUnnecessaryIsInstance]
            translation.move(old, new, entry)
            continue
        if index not in INDICES and entry.get("enable") is False:
            ignored.setdefault("no index G6 knows, and it is not enabled", []).append(old)
            continue
        translation.move(old, new, {})
        used = {"enable", "expiries", "expiry_rules"}
        if "enable" in entry:
            translation.move(f"{old}.enable", f"{new}.enable", entry["enable"])
        tags_key = "expiries" if "expiries" in entry else "expiry_rules"
        tags: object = entry.get(tags_key)
        # `expiry_rules` held labels in some files and prose in others: only labels say what to collect.
        if tags_key == "expiries" or _are_labels(tags):
            translation.move(f"{old}.{tags_key}", f"{new}.expiries", tags)
        elif index in INDICES:
            translation.content["indices"][index]["expiries"] = list(INDICES[index].tags)
            translation.notes.append(f"{old} names no expiry labels: {', '.join(INDICES[index].tags)} are collected")
        strikes: _Strikes = strikes_of(entry)
        if strikes is not None:
            key, value = strikes
            used |= {"strikes_itm", "strikes_otm", "offsets"}
            fitting = min(max(value, 1), 100) if isinstance(value, int) else value
            translation.move(f"{old}.{key}", f"{new}.strikes_each_side", fitting)
            if fitting != value:
                translation.notes.append(f"{old}.{key} {value} is out of 1 to 100: {fitting} is used")
        dropped = [f"{old}.{key}" for key in entry if key not in used]
        if dropped:
            ignored.setdefault(_IGNORED["index_params"], []).extend(dropped)


def _are_labels(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(item in TAGS for item in cast(list[object], value))


def _make_room(translation: Translation) -> None:
    """Widen the window's room where an older file asks for more strikes than the default holds."""
    entries = cast(dict[str, Any], translation.content.get("indices", {})).values()
    strikes = [
        entry["strikes_each_side"] for entry in entries if isinstance(entry, dict) and "strikes_each_side" in entry
    ]
    widest = max((value for value in strikes if isinstance(value, int)), default=0)
    if 2 * widest + 1 > 36:
        room = 2 * widest + 16
        translation.content.setdefault("collection", {})["room_strikes"] = room
        translation.notes.append(f"collection.room_strikes is set to {room}, for {widest} strikes each side")
