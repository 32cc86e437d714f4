import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from g6_market.indices import INDICES, TAGS
from g6_resources.settings import Settings, SettingsError, json_schema, load_settings
from g6_resources.world import make_root

API_SECRET = "s3cr3t-of-the-test"  # pragma: allowlist secret


def write(folder: Path, content: dict[str, Any]) -> Path:
    file = folder / "g6_config.json"
    file.write_text(json.dumps(content))
    return file


def load(folder: Path, content: dict[str, Any], **environ: str) -> Settings:
    return load_settings(write(folder, content), environ)


def message(folder: Path, content: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as raised:
        load(folder, content)
    return str(raised.value)


def current(**parts: Any) -> dict[str, Any]:
    return {"version": "3.0"} | parts


# ---- the shipped file


def test_the_shipped_file_collects_every_index_with_every_label_it_has():
    settings = load_settings(environ={})
    assert list(settings.enabled_indices) == list(INDICES)
    for name, index in settings.enabled_indices.items():
        assert index.expiries == INDICES[name].tags
        assert index.strikes_each_side == 10
    assert settings.collection.interval_seconds == 60
    assert settings.pricing.atm_reference == "forward"
    assert settings.pricing.risk_free_rate == 0.065
    assert settings.notes == ()


def test_the_shipped_file_says_what_the_defaults_say(tmp_path: Path):
    shipped = load_settings(environ={})
    defaults = load(tmp_path, current())
    assert shipped.model_dump(exclude={"schema_file", "file", "folder", "live_csv"}) == defaults.model_dump(
        exclude={"schema_file", "file", "folder", "live_csv"}
    )


def test_the_shipped_schema_is_that_of_the_models(project: Path):
    assert json.loads((project / "config" / "g6_config.schema.json").read_text()) == json_schema()
    assert json.loads((project / "config" / "g6_config.json").read_text())["$schema"] == "./g6_config.schema.json"


def test_the_schema_offers_editors_the_indices_and_the_labels():
    schema = json_schema()
    assert schema["properties"]["indices"]["propertyNames"]["enum"] == list(INDICES)
    assert schema["$defs"]["IndexSettings"]["properties"]["expiries"]["items"]["enum"] == list(TAGS)


def test_the_environment_template_names_every_variable_and_no_value(project: Path):
    lines = (project / "config" / "environment.template").read_text().splitlines()
    assigned = [line for line in lines if line and not line.startswith("#")]
    assert assigned == [
        "KITE_API_KEY=",
        "KITE_API_SECRET=",
        "INFLUX_TOKEN=",
        "REDIS_PASSWORD=",
        "G6_ALERT_URLS=",
        "G6_BACKUP_DIR=",
        "G6_CSV_BASE_DIR=",
        "G6_CONFIG=",
    ]


# ---- where things are


def test_relative_paths_start_at_the_project_whatever_the_working_directory(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={})
    assert settings.data_path == project / "data"
    assert settings.live_csv == project / "data" / "g6_data"


def test_g6_config_names_another_file(tmp_path: Path):
    file = write(tmp_path, current(collection={"interval_seconds": 30}))
    settings = load_settings(environ={"G6_CONFIG": str(file)})
    assert settings.collection.interval_seconds == 30
    assert settings.data_path == tmp_path / "data"


def test_only_the_live_worlds_csv_files_can_be_moved(tmp_path: Path):
    settings = load(tmp_path, current(), G6_CSV_BASE_DIR=str(tmp_path / "elsewhere"))
    live, simulated = (make_root(settings.data_path, world) for world in ("live", "sim:42"))
    assert settings.csv_base(live) == tmp_path / "elsewhere"
    assert settings.csv_base(simulated) == simulated.path / "csv"
    assert load(tmp_path, current()).csv_base(live) == live.csv == tmp_path / "data" / "g6_data"


# ---- values


def test_the_full_chain_beat_follows_the_interval_unless_it_is_set(tmp_path: Path):
    assert load(tmp_path, current(collection={"interval_seconds": 50})).collection.full_chain_every_seconds == 200
    every = {"interval_seconds": 50, "full_chain_every_seconds": 50}
    assert load(tmp_path, current(collection=every)).collection.full_chain_every_seconds == 50


def test_the_first_partition_is_the_month_before_installation_or_what_is_set(tmp_path: Path):
    assert load(tmp_path, current()).first_partition_date(date(2026, 1, 20)) == date(2025, 12, 1)
    chosen = load(tmp_path, current(partitions={"first_date": "2024-06-03"}))
    assert chosen.first_partition_date(date(2026, 1, 20)) == date(2024, 6, 3)
    with pytest.raises(SettingsError, match=r"partitions.first_date: 2024-06-03 is after 2024-06-02"):
        chosen.first_partition_date(date(2024, 6, 2))


def test_labels_an_index_does_not_list_are_a_note_and_no_error(tmp_path: Path):
    settings = load(tmp_path, current(indices={"BANKNIFTY": {"expiries": ["this_month", "this_week"]}}))
    assert settings.indices["BANKNIFTY"].expiries == ("this_week", "this_month")
    assert settings.notes == (
        "indices.BANKNIFTY.expiries: this_week not expected while BANKNIFTY lists monthly expiries only",
    )


def test_settings_cannot_be_changed(tmp_path: Path):
    settings = load(tmp_path, current())
    with pytest.raises(ValueError, match="frozen"):
        settings.collection.interval_seconds = 5


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"collection": {"interval_seconds": 4}}, "collection.interval_seconds: 4 is not allowed"),
        ({"collection": {"interval_seconds": 4}}, "5 to 3600. Correct it, or remove it for the default 60"),
        ({"collection": {"interval_seconds": "60"}}, 'collection.interval_seconds: "60" is not allowed'),
        ({"collection": {"interval_seconds": True}}, "collection.interval_seconds: true is not allowed"),
        ({"collection": {"full_chain_every_seconds": 90}}, "90 is not a multiple of interval_seconds 60. Use 180"),
        (
            {"collection": {"intervall_seconds": 60}},
            "collection.intervall_seconds: no such setting. Did you mean interval_s",
        ),
        ({"capture": {}}, "capture: no such setting."),
        ({"indices": {"NIFTY50": {}}}, 'indices.NIFTY50: "NIFTY50" is no index G6 knows. Allowed: NIFTY, BANKNIFTY'),
        (
            {"indices": {"NIFTY": {"expiries": ["today"]}}},
            "indices.NIFTY.expiries: [\"today\"] holds 'today'. Allowed: this_week",
        ),
        ({"indices": {"NIFTY": {"expiries": []}}}, "indices.NIFTY.expiries: [] is empty"),
        ({"indices": {"NIFTY": {"strikes_each_side": 101}}}, "indices.NIFTY.strikes_each_side: 101 is not allowed"),
        (
            {"indices": {"NIFTY": {"strikes_each_side": 20}}},
            "cannot hold the window of NIFTY (2 x 20 + 1 strikes). Set it to 41",
        ),
        ({"indices": {"NIFTY": {"enable": False}}}, "no index is enabled"),
        ({"pricing": {"risk_free_rate": 6.5}}, "pricing.risk_free_rate: 6.5 is not allowed"),
        ({"pricing": {"atm_reference": "future"}}, 'pricing.atm_reference: "future" is not allowed'),
        ({"storage": {"csv": {"dir": "../outside"}}}, "leaves the project folder. Give an absolute path"),
        ({"data_dir": ""}, 'data_dir: "" is no folder'),
        ({"storage": {"influx": {"url": "127.0.0.1:8086"}}}, 'storage.influx.url: "127.0.0.1:8086" is no web address'),
        ({"storage": {"influx": {"url": "http://u:p@host"}}}, "carries a user or password"),
        ({"kite": {"root": "http://api.kite.trade"}}, 'kite.root: "http://api.kite.trade" is not https'),
        ({"kite": {"callback_port": 70000}}, "kite.callback_port: 70000 is not allowed"),
        ({"kite": {"callback_host": "0.0.0.0"}}, 'kite.callback_host: "0.0.0.0" is not allowed'),
        ({"kite": {"callback_path": "success"}}, 'kite.callback_path: "success" is not allowed'),
        ({"kite": {"limits": {"quote": 0}}}, "kite.limits.quote: 0 is not allowed"),
        ({"kite": {"timeout_seconds": 0}}, "kite.timeout_seconds: 0 is not allowed"),
        ({"overlays": {"weekday": {"alpha": 1.5}}}, "overlays.weekday.alpha: 1.5 is not allowed"),
        ({"partitions": {"first_date": "01-02-2026"}}, 'partitions.first_date: "01-02-2026" is not allowed'),
        ({"calendar": {"override_file": "no/such.yaml"}}, 'calendar.override_file: "no/such.yaml": there is no file'),
        ({"version": "4.0"}, 'version: "4.0" is not allowed'),
        ({"notes": ["x"]}, "notes: no such setting."),
    ],
)
def test_a_bad_value_is_told_with_its_key_the_value_and_what_is_allowed(
    tmp_path: Path, parts: dict[str, Any], expected: str
):
    told = message(tmp_path, current() | parts)
    assert expected in told
    assert str(tmp_path / "g6_config.json") in told
    assert "nothing was started" in told
    assert len(told.splitlines()) == 2


def test_several_bad_keys_are_listed_together(tmp_path: Path):
    told = message(
        tmp_path,
        current(collection={"interval_seconds": 0}, kite={"callback_port": 0, "api_secret": API_SECRET}, surprise=1),
    )
    assert "has 4 problems" in told
    for key in ("collection.interval_seconds", "kite.callback_port", "kite.api_secret", "surprise"):
        assert f"\n  - {key}: " in told


def test_a_file_without_a_version_is_told_which_one_to_write(tmp_path: Path):
    assert 'version: is missing. Add it; it is: Shape of this file: "3.0"' in message(tmp_path, {"data_dir": "data"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"version": "3.0",}', "is not JSON at line 1, column"),
        ('{"version": "3.0", "version": "3.0"}', "key 'version' stands twice"),
        ('{"version": NaN}', "NaN is no JSON number"),
        ("[]", "holds no JSON object"),
        ("", "is not JSON at line 1"),
    ],
)
def test_a_file_that_is_no_settings_file_is_told_so(tmp_path: Path, text: str, expected: str):
    file = tmp_path / "g6_config.json"
    file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        load_settings(file, {})
    assert expected in str(raised.value)
    assert str(file) in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"there is no configuration file .*nowhere.json.*G6_CONFIG"):
        load_settings(tmp_path / "nowhere.json", {})


# ---- secrets


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"kite": {"api_key": API_SECRET}}, "kite.api_key: a secret does not belong in this file"),
        ({"kite": {"api_key": API_SECRET}}, "environment variable KITE_API_KEY"),
        ({"kite": {"api_secret": API_SECRET}}, "environment variable KITE_API_SECRET"),
        ({"kite": {"access_token": API_SECRET}}, "`g6 login`"),
        ({"storage": {"influx": {"token": API_SECRET}}}, "environment variable INFLUX_TOKEN"),
        ({"providers": [{"api_secret": API_SECRET}]}, "providers.0.api_secret: a secret"),
    ],
)
def test_a_secret_in_the_file_is_refused_without_repeating_it(tmp_path: Path, parts: dict[str, Any], expected: str):
    told = message(tmp_path, current() | parts)
    assert expected in told
    assert API_SECRET not in told


def test_secrets_come_from_the_environment_and_are_not_shown(tmp_path: Path):
    settings = load(tmp_path, current(), KITE_API_KEY=" key-of-the-test ", KITE_API_SECRET=API_SECRET, INFLUX_TOKEN="")
    assert settings.secrets.kite_api_key is not None
    assert settings.secrets.kite_api_key.get_secret_value() == "key-of-the-test"
    assert settings.secrets.influx_token is None
    for shown in (repr(settings), str(settings.secrets), settings.model_dump_json(), str(settings.model_dump())):
        assert API_SECRET not in shown
        assert "key-of-the-test" not in shown


# ---- the predecessor's files (facts of its repository, values as it shipped them)

OLD_2_0: dict[str, Any] = {
    "version": "2.0",
    "application": "g6_platform",
    "metrics": {"port": 9108, "host": "0.0.0.0"},
    "collection": {"interval_seconds": 60},
    "greeks": {
        "enabled": True,
        "estimate_iv": True,
        "risk_free_rate": 0.05,
        "iv_max_iterations": 100,
        "iv_min": 0.01,
        "iv_max": 3.0,
        "iv_precision": 1e-5,
    },
    "storage": {
        "csv_dir": "data/g6_data",
        "influx": {"enabled": True, "url": "http://127.0.0.1:8086", "org": "g6", "bucket": "g6_data"},
    },
    "overlays": {"weekday": {"alpha": 0.4, "output_dir": "data/weekday_master"}},
    "indices": {
        "NIFTY": {"enable": True, "strikes_itm": 6, "strikes_otm": 6, "expiries": list(TAGS)},
        "BANKNIFTY": {"enable": True, "strikes_itm": 10, "strikes_otm": 12, "expiries": ["this_month", "next_month"]},
        "FINNIFTY": {"enable": False, "strikes_itm": 0, "strikes_otm": 0, "expiries": ["this_month", "next_month"]},
        "SENSEX": {"enable": True, "strikes_itm": 150, "strikes_otm": 150, "expiries": list(TAGS)},
        "NIFTYNXT50": {"enable": False, "strikes_itm": 5, "strikes_otm": 5, "expiries": ["this_month"]},
    },
    "features": {"analytics_startup": True},
    "console": {"fancy_startup": True, "live_panel": True, "runtime_status_file": "data/runtime_status.json"},
    "providers": {"primary": {"type": "kite"}},
}

OLDEST: dict[str, Any] = {
    "storage": {"csv_dir": "data/g6_data", "influx_url": "http://localhost:8086", "influx_org": "desk"},
    "kite": {
        "instrument_cache_path": ".cache/kite_instruments.json",
        "instrument_ttl_hours": 5,
        "rate_limit_per_sec": 5.0,
        "max_retries": 5,
        "http_timeout": 10,
        "default_exchanges": ["NSE", "NFO", "BSE", "BFO"],
    },
    "orchestration": {
        "run_interval_sec": 30,
        "run_offset_sec": 0,
        "log_level": "INFO",
        "prometheus_port": 9108,
        "market_start_time": "09:15",
        "market_end_time": "15:30",
    },
    "index_params": {
        "NIFTY": {
            "strike_step": 50,
            "segment": "NFO-OPT",
            "exchange": "NFO",
            "expiry_rules": ["this_week", "this_month"],
            "offsets": [0, 1, -1, 2, -2],
        },
        "BANKNIFTY": {"strike_step": 100, "expiry_rules": "last thursday", "offsets": [0]},
    },
}


def test_the_predecessors_2_0_file_loads_unchanged(tmp_path: Path):
    settings = load(tmp_path, OLD_2_0)
    assert settings.version == "3.0"
    assert settings.pricing.risk_free_rate == 0.05
    assert settings.overlays.weekday.alpha == 0.4
    assert settings.storage.influx.enabled
    assert list(settings.enabled_indices) == ["NIFTY", "BANKNIFTY", "SENSEX"]
    assert settings.indices["NIFTY"].strikes_each_side == 6
    assert settings.indices["BANKNIFTY"].strikes_each_side == 12
    assert settings.indices["SENSEX"].strikes_each_side == 100
    assert settings.collection.room_strikes == 216


def test_the_predecessors_oldest_file_loads_unchanged(tmp_path: Path):
    settings = load(tmp_path, OLDEST)
    assert settings.collection.interval_seconds == 30
    assert settings.kite.timeout_seconds == 10
    assert settings.kite.instruments_ttl_hours == 5
    assert settings.storage.influx.url == "http://localhost:8086"
    assert not settings.storage.influx.enabled
    assert settings.indices["NIFTY"].expiries == ("this_week", "this_month")
    assert settings.indices["NIFTY"].strikes_each_side == 2
    assert settings.indices["BANKNIFTY"].expiries == ("this_month", "next_month")
    assert settings.indices["BANKNIFTY"].strikes_each_side == 1


@pytest.mark.parametrize("content", [OLD_2_0, OLDEST], ids=["2.0", "oldest"])
def test_nothing_of_an_older_file_disappears_without_a_note(tmp_path: Path, content: dict[str, Any]):
    notes = "\n".join(load(tmp_path, content).notes)

    def leaves(part: dict[str, Any], prefix: str = ""):
        for key, value in part.items():
            if isinstance(value, dict):
                yield from leaves(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"

    same_key = {
        "collection.interval_seconds",
        "overlays.weekday.alpha",
        *(f"storage.influx.{key}" for key in ("enabled", "url", "org", "bucket")),
    }
    for path in leaves(content):
        kept = path in same_key or path.endswith((".enable", ".expiries", "NIFTYNXT50.strikes_itm"))
        index_as_a_whole = path.startswith(("indices.NIFTYNXT50", "index_params.BANKNIFTY.expiry_rules"))
        sides = path.endswith(("strikes_itm", "strikes_otm"))
        assert kept or index_as_a_whole or sides or path in notes, path
    if content is OLD_2_0:
        assert "indices.BANKNIFTY.strikes_otm is read as indices.BANKNIFTY.strikes_each_side" in notes
        assert "indices.NIFTYNXT50 (no index G6 knows, and it is not enabled)" in notes


def test_a_bad_value_of_an_older_file_is_told_by_the_key_it_has_there(tmp_path: Path):
    told = message(tmp_path, OLDEST | {"orchestration": {"run_interval_sec": 1}})
    assert "collection.interval_seconds (in the file: orchestration.run_interval_sec): 1 is not allowed" in told


def test_an_enabled_index_g6_does_not_know_is_an_error_in_an_older_file_too(tmp_path: Path):
    told = message(tmp_path, OLD_2_0 | {"indices": {"NIFTYNXT50": {"enable": True}}})
    assert 'indices.NIFTYNXT50: "NIFTYNXT50" is no index G6 knows' in told


def test_a_secret_in_an_older_file_is_refused(tmp_path: Path):
    told = message(tmp_path, OLDEST | {"storage": {"influx_token": API_SECRET}})
    assert "storage.influx_token: a secret does not belong in this file" in told
    assert API_SECRET not in told


def test_old_variables_of_the_environment_are_noted(tmp_path: Path):
    settings = load(tmp_path, current(), KITE_ACCESS_TOKEN="x", G6_CYCLE_INTERVAL="30")
    assert settings.notes == (
        "environment variable KITE_ACCESS_TOKEN is ignored: run `g6 login`",
        "environment variable G6_CYCLE_INTERVAL is ignored: set collection.interval_seconds",
    )
