"""Read the configuration file and the environment into `Settings`, or say everything that is wrong, at once."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from g6_market.indices import INDICES
from g6_resources.settings.models import ConfigFile, IndexSettings
from g6_resources.settings.older import Translation, is_older, translate
from g6_resources.settings.problems import SettingsError, describe, settings_error
from g6_resources.settings.secrets import Secrets, take_out_secrets
from g6_resources.world import PROJECT, DataRoot

DEFAULT_FILE = PROJECT / "config" / "g6_config.json"

# Variables of the predecessor that G6 does not read, and what serves instead.
_OLD_VARIABLES = {
    "KITE_ACCESS_TOKEN": "run `g6 login`",
    "KITE_REQUEST_TOKEN": "use `g6 login --request-token`",
    "KITE_REDIRECT_HOST": "set kite.callback_host",
    "KITE_REDIRECT_PORT": "set kite.callback_port",
    "KITE_REDIRECT_PATH": "set kite.callback_path",
    "G6_CYCLE_INTERVAL": "set collection.interval_seconds",
    "G6_FORCE_MARKET_OPEN": "use `make dev`, which opens a simulated market at any hour",
    "G6_HOLIDAYS_FILE": "set calendar.override_file",
    "G6_INSTRUMENT_CACHE_TTL": "set kite.instruments_ttl_hours",
    "G6_KITE_QPS": "set kite.limits",
    "G6_KITE_TIMEOUT_SEC": "set kite.timeout_seconds",
}


class Settings(ConfigFile):
    """The whole configuration: the file, the secrets of the environment, and where relative paths start.

    Parameters
    ----------
    file
        The file that was read.
    folder
        Where its relative paths start: the project folder for a file in a folder named `config`, else the file's
        folder.
    notes
        What the caller should print: settings of an older file that were mapped or ignored, and other oddities.
    secrets
        Never in the file, never shown.
    live_csv
        Absolute base of the live world's CSV files.
    """

    file: Path
    folder: Path
    notes: tuple[str, ...]
    secrets: Secrets
    live_csv: Path

    @property
    def data_path(self) -> Path:
        """Absolute folder of the worlds."""
        return self.folder / self.data_dir

    @property
    def calendar_override(self) -> Path | None:
        """Absolute path of the calendar's override file."""
        return self.folder / self.calendar.override_file if self.calendar.override_file else None

    @property
    def enabled_indices(self) -> dict[str, IndexSettings]:
        """The indices to collect, in the order of `g6_market.indices`."""
        return {name: self.indices[name] for name in INDICES if name in self.indices and self.indices[name].enable}

    @property
    def world_facts(self) -> dict[str, Any]:
        """What a world is told when it is made, and holds for good: where its lake is."""
        lake = self.storage.lake
        return {"lake": lake.model_dump(mode="json")} if lake.url else {}

    def csv_base(self, root: DataRoot) -> Path:
        """Return the base folder of a world's CSV files: only the live world's can be moved."""
        return self.live_csv if root.world.kind == "live" else root.csv

    def first_partition_date(self, today: date) -> date:
        """Return the first date partition.

        Parameters
        ----------
        today
            Date of installation (`DataRoot.made_at`), so that the answer never moves.

        Raises
        ------
        SettingsError
            If the configured date is later than that day.
        """
        first = self.partitions.first_date
        if first is None:
            return (today.replace(day=1) - timedelta(days=1)).replace(day=1)
        if first > today:
            raise settings_error(
                self.file,
                [
                    f"partitions.first_date: {first} is after {today}, the day this world was made, so today would "
                    "have no partition. Use an earlier date, or null"
                ],
            )
        return first


def load_settings(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read and validate the configuration.

    Parameters
    ----------
    path
        The file; by default $G6_CONFIG, else `config/g6_config.json` beside the packages. Both shapes of the
        predecessor are read too, see `Settings.notes`.
    environ
        The environment; by default this process's.

    Raises
    ------
    SettingsError
        If anything is wrong: one message that names the file, each key, its value, what is allowed and what to do.
    """
    environ = os.environ if environ is None else environ
    file = (path or Path(environ.get("G6_CONFIG") or DEFAULT_FILE)).absolute()
    content = _parse(file)
    problems = list(take_out_secrets(content))
    translation = translate(content) if is_older(content) else Translation(content)
    folder = file.parent.parent if file.parent.name == "config" else file.parent
    read: ConfigFile | None = None
    try:
        # Through JSON, in whose strict mode lists may become tuples and strings dates, but "60" no number.
        read = ConfigFile.model_validate_json(json.dumps(translation.content))
    except ValidationError as error:
        problems += describe(error, translation.origins)
    if read is not None:
        problems += _missing_files(read, folder)
    if read is None or problems:
        raise settings_error(file, problems)
    secrets = Secrets.from_environ(environ)
    return Settings.model_validate(
        {name: value for name, value in read if name != "schema_file"}
        | {
            "$schema": read.schema_file,
            "file": file,
            "folder": folder,
            "notes": (*translation.notes, *_oddities(read, secrets, environ)),
            "secrets": secrets,
            "live_csv": folder / (environ.get("G6_CSV_BASE_DIR") or read.storage.csv.dir),
        }
    )


def _parse(file: Path) -> dict[str, Any]:
    try:
        content: object = json.loads(
            file.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats, parse_constant=_no_constant
        )
    except FileNotFoundError as error:
        raise SettingsError(
            f"there is no configuration file {file}; nothing was started. Restore config/g6_config.json, or let "
            "G6_CONFIG name yours"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read ({error.strerror}); nothing was started. Make it readable"
        ) from error
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{file} is not JSON at line {error.lineno}, column {error.colno} ({error.msg}); nothing was started. "
            "Correct it there"
        ) from error
    except (UnicodeDecodeError, ValueError) as error:
        raise SettingsError(f"{file} is not usable ({error}); nothing was started. Correct it") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{file} holds no JSON object; nothing was started. It must start with {{")
    return cast(dict[str, Any], content)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _missing_files(read: ConfigFile, folder: Path) -> Iterator[str]:
    override = read.calendar.override_file
    if override and not (folder / override).is_file():
        yield f'calendar.override_file: "{override}": there is no file {folder / override}. Make it, or set null'


def _oddities(read: ConfigFile, secrets: Secrets, environ: Mapping[str, str]) -> Iterator[str]:
    for name, index in read.indices.items():
        never = [tag for tag in index.expiries if tag not in INDICES[name].tags]
        if index.enable and never:
            yield f"indices.{name}.expiries: {', '.join(never)} not expected while {name} lists monthly expiries only"
    if read.storage.influx.enabled and secrets.influx_token is None:
        yield "storage.influx is enabled without INFLUX_TOKEN: writes will be refused unless the server asks for none"
    for variable, instead in _OLD_VARIABLES.items():
        if environ.get(variable):
            yield f"environment variable {variable} is ignored: {instead}"
