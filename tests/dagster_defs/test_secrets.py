"""No secret reaches what Dagster stores or shows."""

from g6_assets.definitions import build_resources
from tests.dagster_defs.conftest import ACCESS_TOKEN, SECRETS, DagsterWorld

HIDDEN = (*SECRETS.values(), ACCESS_TOKEN)


def test_no_secret_is_in_the_repr_or_configuration_of_a_resource(world: DagsterWorld) -> None:
    for name, resource in build_resources(world.settings, world.root).items():
        shown = repr(resource) + str(resource.__dict__)
        assert not [secret for secret in HIDDEN if secret in shown], name
    assert not [secret for secret in HIDDEN if secret in repr(world.settings)]


def test_no_secret_is_in_the_event_log_the_run_records_or_the_compute_logs(world: DagsterWorld) -> None:
    files = [path for path in world.root.dagster_home.rglob("*") if path.is_file()]
    assert sum(path.suffix == ".db" for path in files) >= 3
    stored = {path: path.read_bytes() for path in files}
    assert any(b"NIFTY" in content for content in stored.values())
    assert [path for path, content in stored.items() for secret in HIDDEN if secret.encode() in content] == []


def test_no_secret_is_in_the_configuration_of_a_run(world: DagsterWorld) -> None:
    for run in world.instance.get_runs():
        shown = f"{run.run_config}{run.tags}"
        assert not [secret for secret in HIDDEN if secret in shown]
