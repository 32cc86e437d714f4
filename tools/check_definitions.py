"""Let `dg check defs` load the platform as a service would, in a world of its own that is gone afterwards.

Without a world named, the definitions make the live one, and a mere check would then look like an installation.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from g6_resources.world import make_root

PROJECT = Path(__file__).resolve().parent.parent


def check() -> int:
    """Return the exit code of `dg check defs`; its complaints go where the caller's do."""
    with tempfile.TemporaryDirectory(prefix="g6-check-") as folder:
        root = make_root(Path(folder), "sim:check")
        dg = shutil.which("dg", path=str(Path(sys.executable).parent))
        if dg is None:
            sys.stderr.write("check: there is no dg beside this Python; run `make check`, which installs it\n")
            return 1
        environment = {**os.environ, "DAGSTER_HOME": str(root.dagster_home), "G6_DATA_ROOT": str(root.path)}
        # Its own idea of the environment's folder would be told in a warning otherwise.
        environment["VIRTUAL_ENV"] = str(Path(sys.executable).parent.parent)
        return subprocess.run([dg, "check", "defs"], cwd=PROJECT, env=environment, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(check())
