"""A seal never waits for the broker: what cannot be healed is said in its run, and the day is sealed."""

import dagster as dg

from g6_assets.definitions import build_defs
from g6_assets.heal import alone
from g6_assets.jobs import SEAL_JOB
from g6_resources.settings import load_settings
from g6_resources.world_state import Simulator, write_simulator
from g6_sim.config import API_KEY
from tests.capture.harness import DAY
from tests.healing.conftest import Holed

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
NOBODY = "http://127.0.0.1:9"


def sealed(holed: Holed) -> dict[str, object]:
    """Run the seal job; return the numbers of its healing."""
    job = build_defs(settings=load_settings(), root=holed.root).resolve_job_def(SEAL_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            partition_key=str(DAY), instance=instance, run_config=QUIET, raise_on_error=False
        )
    assert result.success
    assert DAY in holed.lake.sealed
    (told,) = result.asset_materializations_for_node("candles")
    return {name: value.value for name, value in told.metadata.items()}


def test_nobody_answers(holed: Holed) -> None:
    write_simulator(holed.root, Simulator(url=NOBODY, api_key=API_KEY))
    numbers = sealed(holed)
    assert "127.0.0.1" in str(numbers["trouble"])
    assert numbers["healed now"] == 0
    assert numbers["contracts left"] == 4  # the spot, India VIX and two futures; no leg is asked for before them
    assert set(holed.quotes()["source"]) == {"quote"}


def test_while_another_process_heals_the_world_it_is_left_to_the_next_run(holed: Holed) -> None:
    with alone(holed.root.state):
        assert "another process heals this world" in str(sealed(holed)["trouble"])
    numbers = sealed(holed)
    assert "trouble" not in numbers
    assert numbers["contracts left"] == 0
    assert numbers["legs healed"] == (holed.quotes()["source"] == "candle").sum() > 1000
