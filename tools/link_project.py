"""Put this checkout into the virtual environment that runs this file: its packages on the path, `g6` as a command.

What an editable install does, without a build: it needs no network, no build tool and no writing into the tree.
"""

import stat
import sys
import sysconfig
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

# Shell and Python at once, because a "#!" line ends at a blank or after 127 characters of a path.
LAUNCHER = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys

from g6.cli import main

# A child process that the command spawns imports this file again.
if __name__ == "__main__":
    sys.exit(main())
"""


def link(project: Path, packages: Path, scripts: Path, python: Path) -> Path:
    """Write the path file and the launcher; return the launcher."""
    (packages / "g6-project.pth").write_text(f"{project}\n", encoding="utf-8")
    launcher = scripts / "g6"
    launcher.write_text(LAUNCHER.format(python=python), encoding="utf-8")
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return launcher


if __name__ == "__main__":
    link(PROJECT, Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("scripts")), Path(sys.executable))
