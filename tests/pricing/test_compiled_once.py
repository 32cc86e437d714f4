"""The kernels are compiled once per machine: a new process loads their machine code and never imports numba."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from g6_market.pricing import native

PRICE_ONE_LEG = """
import json, sys
from g6_market.pricing.legs import price_legs
leg = price_legs(strike=25_100.0, is_call=True, bid=99.9, ask=100.1, last=100.0, traded=True,
                 forward=25_000.0, t_years=7 / 365, rate=0.065, tick=0.05, pair=[-1])
print(json.dumps({"numba": "numba" in sys.modules, "iv": leg.iv[0]}))
"""


def price_in_a_new_process(project: Path, **environment: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", PRICE_ONE_LEG],
        cwd=project,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.slow
def test_only_the_first_process_compiles_and_all_agree_to_the_last_bit(project, tmp_path):
    kept = {"NUMBA_CACHE_DIR": str(tmp_path / "compiled")}
    first = price_in_a_new_process(project, **kept)
    (stored,) = (tmp_path / "compiled").iterdir()
    second = price_in_a_new_process(project, **kept)
    assert (first["numba"], second["numba"]) == (True, False)
    assert first["iv"] == second["iv"]
    stored.write_bytes(b"not machine code")
    third = price_in_a_new_process(project, **kept)
    assert third == first
    assert stored.stat().st_size > 10_000


@pytest.mark.slow
def test_an_installation_that_cannot_be_written_keeps_the_code_in_the_users_cache(project, tmp_path):
    """A file in the place of the folder beside the source refuses even a superuser."""
    package = tmp_path / "installed" / "g6_market"
    shutil.copytree(
        project / "g6_market" / "pricing", package / "pricing", ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "__init__.py").write_text("")
    (package / "pricing" / "__pycache__").write_text("")
    price_in_a_new_process(package.parent, NUMBA_CACHE_DIR="", XDG_CACHE_HOME=str(tmp_path / "user"))
    assert len(list((tmp_path / "user" / "g6").glob("g6-pricing-*.o"))) == 1
    again = price_in_a_new_process(package.parent, NUMBA_CACHE_DIR="", XDG_CACHE_HOME=str(tmp_path / "user"))
    assert again["numba"] is False


@pytest.mark.slow
def test_without_any_folder_each_process_compiles_for_itself_and_still_prices(project, tmp_path):
    (tmp_path / "file").write_text("")
    found = price_in_a_new_process(project, NUMBA_CACHE_DIR=str(tmp_path / "file" / "below"))
    assert found == {"numba": True, "iv": price_in_a_new_process(project)["iv"]}


def test_a_column_of_the_wrong_type_never_reaches_the_machine_code():
    columns = [np.zeros(1) for _ in range(6)]
    with pytest.raises(TypeError, match=r"price: columns are .*expected 'ddddd\?d'"):
        native.run("price", 1, *columns, np.zeros(1))
    with pytest.raises(TypeError, match="contiguous"):
        native.run("price", 1, *columns[:5], np.zeros(1, np.bool_), np.zeros(4)[::2])
