#!/bin/sh
# Makes .venv and installs a hashed requirements file into it, once per content of that file.
#   tools/setup.sh runtime    what `make demo` and `make dev` need
#   tools/setup.sh dev        the same and what `make test` and `make check` need, installed on top
# PYTHON names the interpreter; otherwise the newest supported one on the PATH is taken.
set -eu
cd "$(dirname "$0")/.."

case "${1:-}" in
    runtime) wanted=requirements.txt ;;
    dev) wanted=requirements-dev.txt ;;
    *) echo "usage: tools/setup.sh runtime|dev" >&2; exit 2 ;;
esac
venv=.venv
place=$(pwd -P)

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

choose_python() {
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        # A name on the PATH may be a shim for a version that is not there, so it is run and not only looked up.
        if supported "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "setup: G6 needs Python 3.11, 3.12 or 3.13, and ${PYTHON:-the PATH} gives none." \
        "Install one (Debian: apt install python3 python3-venv) or name it: make demo PYTHON=/path/to/python3.12" >&2
    exit 1
}

stamped() {
    [ -f "$venv/g6-$1" ] && cmp -s "$1" "$venv/g6-$1"
}

if [ "$(cat "$venv/g6-place" 2>/dev/null || echo "$place")" = "$place" ] && supported "$venv/bin/python"; then
    if stamped "$wanted"; then
        exit 0
    fi
else
    # New, moved to another folder (its scripts name the old one), or its interpreter is gone.
    python=$(choose_python)
    if ! "$python" -m venv --clear "$venv" >/dev/null 2>&1; then
        echo "setup: $python cannot make a virtual environment. Install its venv module (Debian: apt install python3-venv)" >&2
        exit 1
    fi
fi

echo "setup: installing $wanted into $venv with $("$venv/bin/python" --version) (once, a minute or two)"
rm -f "$venv"/g6-requirements*.txt
"$venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --no-input --root-user-action=ignore \
    --no-deps --require-hashes --no-compile -r "$wanted"
# Compiled here, on all cores and also where PYTHONDONTWRITEBYTECODE is set: each start would pay for it otherwise.
# Packages ship templates that are not valid Python; those may fail.
"$venv/bin/python" -m compileall -qq -j 0 "$venv/lib" >/dev/null 2>&1 || true
"$venv/bin/python" tools/link_project.py
# The pricing kernels become machine code now, so that the first session does not wait for it.
"$venv/bin/python" -c "from g6_market.pricing.native import prepare; prepare()"
echo "$place" >"$venv/g6-place"
cp requirements.txt "$venv/g6-requirements.txt"
if [ "$wanted" = requirements-dev.txt ]; then
    cp requirements-dev.txt "$venv/g6-requirements-dev.txt"
fi
