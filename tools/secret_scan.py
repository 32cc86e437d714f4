"""Look for secrets in every file that git tracks or would add, against the judged findings of `.secrets.baseline`.

`python -m tools.secret_scan` fails on a finding that is not in the baseline. `--accept` writes the present findings
into the baseline, for a person to review in the diff.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
BASELINE = PROJECT / ".secrets.baseline"
# Hashes of packages, by the thousand.
HASH_FILES = ("requirements.txt", "requirements-dev.txt")
EXCLUDED = [f"^{name.replace('.', '[.]')}$" for name in (*HASH_FILES, BASELINE.name)]


def files(project: Path) -> list[str]:
    """Return the files that are or would be in the repository, relative to it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    return [name for name in listed if name and name not in (*HASH_FILES, BASELINE.name) and (project / name).is_file()]


def scan(project: Path, baseline: Path) -> str:
    """Run the scanner over a project's files; return its words on findings that the baseline lacks, or ""."""
    with tempfile.TemporaryDirectory() as folder:
        # A copy, because the scanner rewrites line numbers in the file it is given.
        copy = Path(folder) / baseline.name
        copy.write_bytes(baseline.read_bytes())
        command = [sys.executable, "-m", "detect_secrets.pre_commit_hook", "--baseline", str(copy), *files(project)]
        done = subprocess.run(command, cwd=project, check=False, capture_output=True, text=True)  # noqa: S603
    # 3 says that judged findings moved to other lines.
    return "" if done.returncode in (0, 3) else done.stdout + done.stderr


def accept(project: Path, baseline: Path) -> int:
    """Write the present findings into the baseline."""
    command = [sys.executable, "-m", "detect_secrets", "scan"]
    for pattern in EXCLUDED:
        command += ["--exclude-files", pattern]
    result = subprocess.run([*command, *files(project)], cwd=project, check=True, capture_output=True, text=True)  # noqa: S603
    found = json.loads(result.stdout)
    # The moment of a scan says nothing and would change with each.
    found["generated_at"] = "1970-01-01T00:00:00Z"
    baseline.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return sum(map(len, found["results"].values()))


def main(arguments: list[str]) -> int:
    """Scan, or accept with `--accept`; return the exit code."""
    if arguments == ["--accept"]:
        count = accept(PROJECT, BASELINE)
        sys.stdout.write(f"secret scan: {BASELINE.name} holds {count} judged findings; review its diff\n")
        return 0
    complaint = scan(PROJECT, BASELINE)
    if complaint:
        sys.stdout.write(
            f"{complaint}secret scan: new findings. Remove each secret and renew it; for what only looks like one, run "
            "`python -m tools.secret_scan --accept` and commit the baseline\n"
        )
        return 1
    sys.stdout.write("secret scan: nothing new\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
