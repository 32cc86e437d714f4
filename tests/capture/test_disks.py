"""A disk that fills up or turns read-only under a running session: it stops whole, and the next one goes on from there.

The session runs in a process with a small file system of its own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from g6_sim.server import SimServer

SCRIPT = """
import os, subprocess, sys
from pathlib import Path
from g6_resources.disk import DiskFull, DiskReadOnly, obstacle
from g6_resources.lake import LocalStore
from tests.capture.harness import at, dues, make_desk
from tests.capture.test_kills import assert_whole

folder = Path(sys.argv[1])
world = make_desk(folder, sys.argv[2], clock="15:12")
ballast = folder / "ballast"

def fill(leave):
    status = os.statvfs(folder)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - leave)

class FullWithin(LocalStore):
    def put(self, path, data):
        if path.endswith("/s152000.parquet") and path.startswith("snapshots/"):
            fill(leave=0)
        super().put(path, data)

def stopped(expected, **how):
    try:
        session = world.launch(store=how.get("store"))
        world.told.on_taken = how.get("on_taken")
        session.run()
    except expected as error:
        print(type(error).__name__, error, sep=": ")
    else:
        raise SystemExit("the session did not stop")

stopped(DiskFull, store=FullWithin(world.root.lake))
print(obstacle(world.root.state))
hidden = [str(path) for path in world.root.path.rglob("*") if path.name.endswith(".tmp")]
assert hidden == [], hidden
ballast.unlink()

stopped(DiskFull, on_taken=lambda taken: fill(leave=10 * 2**20))
ballast.unlink()
assert_whole(world, dues("15:15", "15:25"))
print(world.heartbeat().state)

remount = lambda how: subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)
stopped(DiskReadOnly, on_taken=lambda taken: remount("ro"))
print(obstacle(world.root.state))
remount("rw")

world.launch().run()
assert_whole(world, dues("15:15"))
print(obstacle(world.root.state))
"""


def test_a_session_stops_whole_when_its_disk_takes_no_more_and_the_next_goes_on(
    project: Path, simulator: SimServer, tmp_path: Path
):
    mount = 'mount -t tmpfs -o size=200m tmpfs "$1" && exec "$2" -c "$3" "$1" "$4"'
    own = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if shutil.which("unshare") is None or subprocess.run([*own, "true"], check=False).returncode:
        pytest.skip("a small file system of its own needs unshare (util-linux) and the right to mount")
    done = subprocess.run(
        [*own, "sh", "-c", mount, "sh", str(tmp_path), sys.executable, SCRIPT, simulator.url],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    full, no_room, nearly, stopped, read_only, not_writable, free = done.stdout.strip().splitlines()
    assert full.startswith("DiskFull: disk full: ")
    assert "nothing half-written is visible. Free some space" in full
    assert "has 0 MB free, a session starts from 100 MB: make room, and it goes on by itself" in no_room
    assert nearly.startswith("DiskFull: disk nearly full: ")
    assert "stopped before a file could be cut short" in nearly
    assert stopped == "stopped"
    assert read_only.startswith("DiskReadOnly: disk read-only: ")
    assert "Mount it writable again" in read_only
    assert "cannot be written (its disk is mounted read-only" in not_writable
    assert free == "None"
