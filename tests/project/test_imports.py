"""Who may import whom: the contracts of pyproject.toml, and what an analyst's machine needs."""

import subprocess
import sys
from pathlib import Path

HEAVY = ("dagster", "kiteconnect", "starlette", "numba", "requests", "typer", "influxdb_client")


def test_the_import_contracts_hold(project: Path):
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


def test_the_analysts_door_opens_without_dagster_or_a_broker(run_python):
    reached = run_python(f"import sys, g6; g6.connect; print(' '.join(n for n in {HEAVY!r} if n in sys.modules))")
    assert reached == ""


def test_neither_the_command_line_nor_a_code_server_loads_plotting(run_python):
    assert run_python("import sys, g6.cli, g6_assets.definitions; print('matplotlib' in sys.modules)") == "False"
