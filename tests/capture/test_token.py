"""The session token dies: no call is wasted on it, every instant is accounted for, a new login is enough."""

import pytest
import requests
from kiteconnect import KiteConnect

from g6_assets.capture.snapshot import Taken
from g6_sim.config import API_KEY, API_SECRET
from tests.capture.harness import DAY, Desk, Killed, at, dues, wall


def stop_at_once(taken: Taken) -> None:
    raise Killed


def new_login(world: Desk) -> None:
    """Log in anew with the simulator, as a person does, and store the token."""
    answer = requests.get(f"{world.url}/connect/login", params={"api_key": API_KEY}, timeout=5)
    request_token = answer.text.split("<code>")[1].split("</code>")[0]
    session = KiteConnect(API_KEY, root=world.url).generate_session(request_token, API_SECRET)
    world.log_in(session["access_token"])


def test_after_a_token_dies_kite_is_left_alone_until_somebody_logs_in(desk):
    world = desk("15:07")
    world.control.faults([{"kind": "token_expired", "from": f"{DAY}T15:12:00"}])
    session = world.launch()

    def log_in_after_15_25(taken: Taken) -> None:
        if taken.due == at("15:25"):
            new_login(world)

    world.told.on_taken = log_in_after_15_25
    report = session.run()
    rows = world.snapshots()
    outcomes = rows.groupby("snapshot_at")["outcome"].agg(set).to_dict()
    dead = dues("15:15", "15:25")
    assert outcomes == {due: {"failed"} if due in dead else {"stored"} for due in dues("15:10")}
    assert set(rows.loc[rows["snapshot_at"].isin(dead), "cause"]) == {"token dead"}
    calls = [(row["at"][11:16], row["path"], row["status"]) for row in world.served("/")]
    silent = [call for call in calls if "15:15" <= call[0] < "15:30" and call[1] != "/session/token"]
    # The refusal itself, then nothing but one look after the login.
    assert silent == [("15:15", "/quote", 403), ("15:25", "/user/profile", 200)]
    assert (report.stored, report.failed) == (4, 3)
    states = [state for state, _ in world.told.states]
    assert states[states.index("token dead") :] == ["token dead", "waiting", "capturing", "ended"]


def test_a_new_token_that_is_dead_too_costs_one_look(desk):
    world = desk("15:27")
    world.control.faults([{"kind": "token", "from": f"{DAY}T15:31:00"}])
    session = world.launch()
    world.told.on_taken = lambda taken: world.log_in() if taken.due == at("15:35") else None
    session.run()
    late = [(row["at"][11:16], row["path"]) for row in world.served("/") if row["at"][11:16] >= "15:31"]
    assert late == [("15:35", "/quote"), ("15:35", "/user/profile")]
    rows = world.snapshots()
    assert set(rows.loc[rows["snapshot_at"] >= wall("15:35"), "cause"]) == {"token dead"}


def test_a_token_dead_before_the_open_is_waited_for(desk):
    world = desk("09:05")
    world.root.token_file.unlink()
    session = world.launch()
    waited: list[str] = []

    def log_in_at_the_second_state(state: str) -> None:
        waited.append(state)
        if state == "token dead":
            world.log_in()
        if state == "capturing":
            raise Killed  # enough seen

    world.told.on_state = log_in_at_the_second_state
    with pytest.raises(Killed):
        session.run()
    assert waited == ["opening", "token dead", "waiting", "capturing"]
    assert sorted(world.snapshots()["snapshot_at"].unique()) == [wall("09:20")]
    assert len(world.told.swept) == 1


def test_a_stored_day_with_a_dead_token_records_each_due_instant(desk):
    world = desk("15:32")
    session = world.launch()
    world.told.on_taken = stop_at_once
    with pytest.raises(Killed):
        session.run()
    world.root.token_file.unlink()
    asked = len(world.served("/"))
    report = world.launch().run()
    assert (report.already, report.failed) == (1, 1)
    rows = world.snapshots()
    assert set(rows.loc[rows["snapshot_at"] == wall("15:40"), "cause"]) == {"token dead"}
    assert len(world.served("/")) == asked
