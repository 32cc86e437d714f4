"""Ask a vulnerability service about every pinned dependency: `python -m tools.audit`.

Fails on a known vulnerability that is not accepted below. Where the service cannot be reached (a machine without the
internet) it says so and lets the rest go on: an audit that could not be made is no vulnerability. The service is OSV's,
which needs no package index; `--url` names another one that speaks its protocol.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
OSV = "https://api.osv.dev/v1/query"
FILES = (PROJECT / "requirements.txt", PROJECT / "requirements-dev.txt")

ACCEPTED: dict[str, str] = {}
"""Vulnerabilities that do not concern us, by id, with the reason and until when that holds."""


def audit(files: Sequence[Path] = FILES, url: str = OSV) -> int:
    """Audit requirements files, say what was found, and return an exit code."""
    found: list[str] = []
    for file in files:
        done = _pip_audit(file, url)
        try:
            report = json.loads(done.stdout)
        except json.JSONDecodeError:
            reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
            sys.stdout.write(f"audit skipped: {url} cannot be asked about {file.name} ({reason})\n")
            return 0
        dependencies = report["dependencies"]
        known = [line for dependency in dependencies for line in _told(dependency)]
        found += known
        sys.stdout.write(f"{file.name}: {len(dependencies)} dependencies asked about, {len(known)} vulnerabilities\n")
    sys.stdout.write("".join(f"  {line}\n" for line in found))
    return 1 if found else 0


def _pip_audit(file: Path, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip_audit", "-r", str(file), "--disable-pip", "--no-deps", "-s", "osv"]
    command += ["--osv-url", url, "-f", "json", "--progress-spinner", "off", "--timeout", "10"]
    ignored = [part for name in ACCEPTED for part in ("--ignore-vuln", name)]
    return subprocess.run([*command, *ignored], capture_output=True, text=True, check=False)  # noqa: S603


def _told(dependency: dict[str, Any]) -> list[str]:
    return [
        f"{dependency['name']} {dependency['version']}: {one['id']}, fixed in {', '.join(one['fix_versions']) or '-'}"
        for one in dependency.get("vulns", [])
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=OSV)
    sys.exit(audit(url=parser.parse_args().url))
