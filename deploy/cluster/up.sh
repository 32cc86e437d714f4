#!/usr/bin/env bash
# The cluster on one machine, to try it: Postgres and Redis in a temporary folder, code server, daemon, webserver and
# Celery workers, all on loopback. Ctrl+C ends them in order and leaves nothing but what the runs wrote into the world.
#
#   deploy/cluster/up.sh                          the live world if there is one, else the newest made
#   deploy/cluster/up.sh --world sim:42           another
#   deploy/cluster/up.sh --workers 1 --port 3000  how many workers of one place each; where the pages are
#
# The world's own Dagster history is not touched: this one begins empty, and ends with it.
set -euo pipefail

world='' workers=2 port=3000
usage() {
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
        --world | --workers | --port)
            [ $# -ge 2 ] || usage
            declare "${1#--}=$2"
            shift
            ;;
        *) usage ;;
    esac
    shift
done
[[ $workers =~ ^[1-9][0-9]?$ && $port =~ ^[0-9]+$ ]] || usage

here=$(cd "$(dirname "$0")" && pwd -P)
project=$(cd "$here/../.." && pwd -P)
bin=$project/.venv/bin

need() { # need PROGRAM PACKAGE: its path
    command -v "$1" || { echo "up: $1 is missing: apt-get install $2" >&2 && return 1; }
}
say() { printf 'up: %s\n' "$*"; }
free_port() {
    "$bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
wait_for() { # wait_for NAME COMMAND...: until it succeeds; a minute and a half at most
    local name=$1 tries=0
    shift
    until "$@" >/dev/null 2>&1; do
        kill -0 "${pids[$name]}" 2>/dev/null || { tail -n 15 "$folder/$name.log" >&2 && exit 1; }
        tries=$((tries + 1))
        [ $tries -lt 450 ] || { tail -n 15 "$folder/$name.log" >&2 && echo "up: $name does not come up" >&2 && exit 1; }
        sleep 0.2
    done
}

# Debian keeps the servers of Postgres off the PATH.
PATH=$PATH:$(printf '%s:' $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV))
for program in initdb postgres createdb; do need "$program" postgresql >/dev/null; done
need redis-server redis-server >/dev/null
[ -x "$bin/celery" ] || { echo "up: celery is missing beside $bin/python: tools/setup.sh dev" >&2 && exit 1; }
! taken "$port" || { echo "up: --port $port is taken by another program" >&2 && exit 1; }

root=$("$bin/python" -c 'import sys
from g6_resources.settings import load_settings
from g6_resources.world import find_root
print(find_root(load_settings().data_path, sys.argv[1] or None).path)' "$world")

folder=$(mktemp -d "${TMPDIR:-/tmp}/g6-cluster.XXXXXX")
chmod 711 "$folder"
declare -A pids=()
order=()

start() { # start NAME COMMAND...: in a group of its own, which Ctrl+C in this terminal does not reach
    local name=$1
    shift
    # What a shell starts in the background ignores interrupts, and Dagster takes a SIGTERM for one.
    setsid env --default-signal=INT "$@" >"$folder/$name.log" 2>&1 &
    pids[$name]=$!
    order+=("$name")
    echo $! >"$folder/$name.pid"
}

stop() { # stop NAME SECONDS [GROUP]: ask it to end, or with GROUP also its children; kill what is left
    local pid=${pids[$1]:-} left=$(($2 * 5))
    [ -n "$pid" ] || return 0
    kill -TERM "${3:+-}$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null && [ $((left -= 1)) -gt 0 ]; do sleep 0.2; done
    kill -KILL "-$pid" 2>/dev/null || true
}

finish() {
    trap - EXIT
    trap '' INT TERM HUP
    say "ending"
    # The daemon before the code server, so that nothing relaunches what is being stopped; storage last.
    stop daemon 15
    stop web 15
    local name
    for name in "${order[@]}"; do
        if [[ $name = worker-* ]]; then kill -TERM "${pids[$name]}" 2>/dev/null || true; fi
    done
    for name in "${order[@]}"; do
        if [[ $name = worker-* ]]; then stop "$name" 20; fi
    done
    stop code 45 group
    stop redis 10
    stop postgres 15
    rm -rf "$folder"
    say "ended"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

random() { "$bin/python" -c 'import secrets; print(secrets.token_urlsafe(24))'; }
POSTGRES_PASSWORD=$(random) secret=$(random)
G6_POSTGRES_HOST=127.0.0.1 G6_POSTGRES_PORT=$(free_port) redis_port=$(free_port) code_port=$(free_port)
G6_CELERY_BROKER=redis://:$secret@127.0.0.1:$redis_port/0 G6_CELERY_BACKEND=redis://:$secret@127.0.0.1:$redis_port/1
DAGSTER_HOME=$folder/dagster G6_DATA_ROOT=$root PYTHONUNBUFFERED=1
export POSTGRES_PASSWORD G6_POSTGRES_HOST G6_POSTGRES_PORT G6_CELERY_BROKER G6_CELERY_BACKEND DAGSTER_HOME G6_DATA_ROOT \
    PYTHONUNBUFFERED

mkdir -m 700 "$DAGSTER_HOME" "$folder/postgres"
sed "s/^        limit: 2\$/        limit: $workers/; s/max_concurrent_runs: 6/max_concurrent_runs: $((workers + 4))/" \
    "$here/dagster.yaml" >"$DAGSTER_HOME/dagster.yaml"
sed "s/4266/$code_port/" "$project/deploy/workspace.yaml" >"$folder/workspace.yaml"
# What another terminal needs to talk to it.
(umask 077 && for name in POSTGRES_PASSWORD G6_POSTGRES_HOST G6_POSTGRES_PORT G6_CELERY_BROKER G6_CELERY_BACKEND \
    DAGSTER_HOME G6_DATA_ROOT; do printf 'export %s=%q\n' "$name" "${!name}"; done >"$folder/environment")

say "Postgres and Redis"
as=()
printf '%s' "$POSTGRES_PASSWORD" >"$folder/password"
(umask 077 && printf 'bind 127.0.0.1\nport %s\nsave ""\ndir %s\nrequirepass %s\n' "$redis_port" "$folder" "$secret" \
    >"$folder/redis.conf")
if [ "$(id -u)" = 0 ]; then # Postgres refuses to run as root
    chown postgres: "$folder/postgres" "$folder/password"
    as=(setpriv --reuid postgres --regid postgres --init-groups)
fi
chmod 400 "$folder/password"
cd / # a folder that every user may be in
"${as[@]}" "$(command -v initdb)" -D "$folder/postgres" -U g6 -A scram-sha-256 --pwfile "$folder/password" --no-sync \
    >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2 && exit 1; }
start postgres "${as[@]}" "$(command -v postgres)" -D "$folder/postgres" -p "$G6_POSTGRES_PORT" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=200
start redis redis-server "$folder/redis.conf"
wait_for redis taken "$redis_port"
wait_for postgres env PGPASSWORD="$POSTGRES_PASSWORD" createdb -h 127.0.0.1 -p "$G6_POSTGRES_PORT" -U g6 g6

cd "$project"
say "Dagster's tables"
"$bin/python" -c 'import dagster as dg; dg.DagsterInstance.get().get_runs_count()' >"$folder/tables.log" 2>&1 ||
    { tail -n 15 "$folder/tables.log" >&2 && exit 1; }

say "code server, webserver, daemon, $workers workers"
start code "$bin/dagster" api grpc -m g6_assets.definitions -h 127.0.0.1 -p "$code_port" --location-name g6
for number in $(seq "$workers"); do
    start "worker-$number" "$bin/celery" --workdir "$here" -A dagster_celery.app worker --concurrency 1 -n "$number@%h" \
        --loglevel INFO --without-gossip --without-mingle
done
wait_for code taken "$code_port"
start daemon "$bin/dagster-daemon" run -w "$folder/workspace.yaml"
start web "$bin/dagster-webserver" -w "$folder/workspace.yaml" -h 127.0.0.1 -p "$port"
wait_for web taken "$port"
for number in $(seq "$workers"); do wait_for "worker-$number" grep -q ' ready\.$' "$folder/worker-$number.log"; done

say "http://127.0.0.1:$port is Dagster's pages of $root; Ctrl+C ends everything"
say "in another terminal: . $folder/environment"
while true; do
    gone='' code=0
    wait -n -p gone || code=$?
    for name in "${order[@]}"; do [ "${pids[$name]}" != "$gone" ] || break; done
    say "$name ended with code $code; its last lines:"
    tail -n 5 "$folder/$name.log"
    # A worker may go: what it was doing is given to another.
    [[ $name = worker-* ]] || exit 1
done
