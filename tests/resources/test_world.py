import json
from datetime import datetime
from pathlib import Path

import pytest

from g6_resources.world import PROJECT, World, WorldError, find_root, make_root, open_root


@pytest.mark.parametrize(
    ("name", "folder", "kind"),
    [
        ("live", "live", "live"),
        ("sim:42", "sim-42", "sim"),
        ("replay:nse-2025-08", "replay-nse-2025-08", "replay"),
    ],
)
def test_a_world_is_named_after_its_market(name: str, folder: str, kind: str):
    world = World(name)
    assert (world.folder, world.kind) == (folder, kind)


@pytest.mark.parametrize(
    "name", ["", "Live", "sim", "sim:", "sim:../live", "sim:a/b", "replay:..", "sim:4 2", "live:1", "sim:" + "x" * 65]
)
def test_a_name_that_is_no_world_or_could_leave_the_data_folder_is_refused(name: str):
    with pytest.raises(WorldError, match="use live, sim:<seed>"):
        World(name)


def test_making_a_root_makes_its_folders_and_says_which_world_it_is(tmp_path: Path):
    root = make_root(tmp_path / "data", "sim:42", seed=42)
    assert root.path == tmp_path / "data" / "sim-42"
    for folder in (root.lake, root.generations, root.current, root.state, root.cache, root.dagster_home):
        assert folder.is_dir()
    known = json.loads(root.world_file.read_text())
    assert known["world"] == "sim:42"
    assert known["seed"] == 42
    assert datetime.fromisoformat(known["made_at"]).utcoffset() is not None
    assert open_root(root.path) == root


def test_the_state_folder_is_for_its_owner_only(tmp_path: Path):
    assert make_root(tmp_path, "live").state.stat().st_mode & 0o077 == 0


def test_everything_of_a_world_lies_under_its_root_except_the_live_csv_files(tmp_path: Path):
    live, simulated = make_root(tmp_path, "live"), make_root(tmp_path, "sim:1")
    for root in (live, simulated):
        for path in (
            root.lake,
            root.warehouse,
            root.token_file,
            root.clock_file,
            root.heartbeat_file,
            root.lock_file,
            root.session_state_file,
        ):
            assert path.is_relative_to(root.path)
    assert simulated.csv == simulated.path / "csv"
    assert live.csv == tmp_path / "g6_data"


def test_making_a_root_again_keeps_when_it_was_made(tmp_path: Path):
    first = make_root(tmp_path, "live", note="kept").made_at()
    again = make_root(tmp_path, "live", more=1)
    assert again.made_at() == first
    known = json.loads(again.world_file.read_text())
    assert (known["note"], known["more"]) == ("kept", 1)


def test_a_root_of_another_world_is_refused(tmp_path: Path):
    root = make_root(tmp_path, "sim:42")
    root.path.rename(tmp_path / "live")
    with pytest.raises(WorldError, match="holds the world 'sim:42', not 'live'"):
        make_root(tmp_path, "live")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"world": "live"}', '{"world": "mars", "made_at": "2026-01-01"}'])
def test_a_world_file_that_cannot_be_read_stops_everything(tmp_path: Path, content: str):
    root = make_root(tmp_path, "live")
    root.world_file.write_text(content)
    for attempt in (lambda: open_root(root.path), lambda: make_root(tmp_path, "live"), lambda: find_root(tmp_path)):
        with pytest.raises(WorldError, match=r"world\.json cannot be read"):
            attempt()


def test_without_a_name_the_live_world_is_found_before_newer_ones(tmp_path: Path):
    make_root(tmp_path, "live")
    make_root(tmp_path, "sim:42")
    assert find_root(tmp_path).world.name == "live"


def test_without_a_live_world_the_newest_made_is_found(tmp_path: Path):
    for world in ("sim:9", "replay:a", "sim:10"):
        make_root(tmp_path, world)
    (tmp_path / "g6_data").mkdir()
    assert find_root(tmp_path).world.name == "sim:10"
    assert find_root(tmp_path, "replay:a").path == tmp_path / "replay-a"


def test_with_no_world_at_all_both_commands_that_make_one_are_named(tmp_path: Path):
    for name in (None, "live", "sim:3"):
        with pytest.raises(WorldError, match=r"`make demo`.*`g6 login`"):
            find_root(tmp_path / "data", name)


def test_a_world_that_is_not_there_is_told_with_those_that_are(tmp_path: Path):
    make_root(tmp_path, "sim:42")
    with pytest.raises(WorldError, match=r"there is no world 'sim:43'.*use one of: sim:42"):
        find_root(tmp_path, "sim:43")
    with pytest.raises(WorldError, match=r"is no data root: it has no world\.json"):
        open_root(tmp_path)


def test_dagsters_home_holds_the_projects_own_configuration(tmp_path: Path):
    root = make_root(tmp_path, "live")
    link = root.dagster_home / "dagster.yaml"
    assert link.read_bytes() == (PROJECT / "dagster.yaml").read_bytes()
    link.unlink()
    link.symlink_to(tmp_path / "project-that-moved" / "dagster.yaml")
    make_root(tmp_path, "live")
    assert link.read_bytes() == (PROJECT / "dagster.yaml").read_bytes()


def test_a_dagster_yaml_of_the_users_own_is_left_alone(tmp_path: Path):
    root = make_root(tmp_path, "live")
    own = root.dagster_home / "dagster.yaml"
    own.unlink(missing_ok=True)
    own.write_text("# mine\n")
    make_root(tmp_path, "live")
    assert own.read_text() == "# mine\n"


def test_a_root_given_relative_to_the_working_directory_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert make_root(Path("data"), "live").path == tmp_path / "data" / "live"
    assert open_root(Path("data/live")).path == tmp_path / "data" / "live"
