#!/usr/bin/env bash
# Installs or upgrades G6 as services on Debian or Ubuntu. Run again, it changes only what differs.
#
#   sudo deploy/deploy.sh                install from this checkout, or upgrade to it
#   deploy/deploy.sh --dry-run           say what would be done; changes nothing, needs no root
#   deploy/deploy.sh --render FOLDER     write the units and other files there, to look at
#
# --user g6  --dir /opt/g6  --data /var/lib/g6  --config /etc/g6     where things go
# --destdir FOLDER   put all files below FOLDER; no packages, user, Python environment or services
# --now              also while the market is open (a session goes on where it was within a minute)
# --worker           this machine only works for a cluster (docs/scaling.md): a worker's unit and no other service
set -euo pipefail

user=g6 dir=/opt/g6 data=/var/lib/g6 config=/etc/g6 destdir='' render='' dry='' now='' worker=''
source=$(cd "$(dirname "$0")/.." && pwd -P)

usage() {
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --dry-run) dry=1 ;;
        --now) now=1 ;;
        --worker) worker=1 ;;
        --user | --dir | --data | --config | --destdir | --render)
            [ $# -ge 2 ] || usage
            declare "${1#--}=$2"
            shift
            ;;
        *) usage ;;
    esac
    shift
done
for path in "$dir" "$data" "$config"; do
    case $path in
        *[!A-Za-z0-9/_.-]* | [!/]*) echo "deploy: $path: give an absolute path of letters, digits, / _ . -" >&2 && exit 2 ;;
    esac
done

changed=0
say() { printf '%s\n' "$*"; }
run() { # run COMMAND...: does it, or says so
    if [ -n "$dry" ]; then say "would run: $*"; else "$@"; fi
}

filled() { # filled TEMPLATE: its text with the places of this installation
    sed -e "s|@USER@|$user|g" -e "s|@DIR@|$dir|g" -e "s|@DATA@|$data|g" -e "s|@CONFIG@|$config|g" "$1"
}

put() { # put MODE TARGET: standard input becomes the file, unless it is that already
    local mode=$1 target=$destdir$2 text
    text=$(cat; printf .)
    if [ -f "$target" ] && [ "$(cat "$target"; printf .)" = "$text" ]; then
        return
    fi
    changed=$((changed + 1))
    if [ -n "$dry" ]; then say "would write: $target" && return; fi
    say "writing $target"
    mkdir -p "$(dirname "$target")"
    (umask 077 && printf '%s' "${text%.}" >"$target.new" && chmod "$mode" "$target.new" && mv "$target.new" "$target")
}

absolute_settings() { # the shipped settings with this installation's folders
    sed -e "s|\"data_dir\": \"data\"|\"data_dir\": \"$data\"|" -e "s|\"dir\": \"data/g6_data\"|\"dir\": \"$data/g6_data\"|" \
        -e "s|\"./g6_config.schema.json\"|\"$dir/config/g6_config.schema.json\"|" "$source/config/g6_config.json"
}

own_environment() { # the shipped template; which settings are read is the units' to say, and a blank here would unsay it
    sed -e '/^# Another configuration file/,/^G6_CONFIG=/d' "$source/config/environment.template"
}

market_is_open() { # asks the metrics of the installation that runs here, if one does
    curl -sf --max-time 5 http://127.0.0.1:9108/healthz 2>/dev/null | grep -q '"market_open": true'
}

units() { # units FOLDER: every unit file of this machine
    local unit folder=systemd
    [ -z "$worker" ] || folder=cluster
    for unit in "$source/deploy/$folder"/*.{service,target,timer}; do
        [ -f "$unit" ] || continue
        put 644 "$1/$(basename "$unit")" < <(filled "$unit")
    done
}

if [ -n "$render" ]; then
    destdir=''
    units "$render/systemd"
    put 644 "$render/logrotate/g6" < <(filled "$source/deploy/logrotate/g6")
    put 644 "$render/workspace.yaml" < <(filled "$source/deploy/workspace.yaml")
    put 755 "$render/g6" < <(filled "$source/deploy/g6")
    exit
fi

real=''
[ -n "$destdir$dry" ] || real=1
if [ -n "$real" ]; then
    [ "$(id -u)" = 0 ] || { echo "deploy: needs root: sudo $0 (or --dry-run)" >&2 && exit 1; }
    [ -d /run/systemd/system ] || { echo "deploy: systemd does not run this machine; see deploy/compose" >&2 && exit 1; }
    command -v apt-get >/dev/null || { echo "deploy: made for Debian and Ubuntu; apt-get is missing" >&2 && exit 1; }
fi

if [ -n "$real" ] && [ -z "$now" ] && market_is_open; then
    echo "deploy: the market is open, and code is not exchanged under a session: again after the close, or with --now" >&2
    exit 1
fi

if [ -z "$destdir" ]; then
    missing=()
    for package in python3 python3-venv rsync logrotate curl; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] || run apt-get install -y --no-install-recommends "${missing[@]}"
    id "$user" >/dev/null 2>&1 || run useradd --system --home-dir "$data" --shell /usr/sbin/nologin "$user"
    run install -d -m 755 "$dir"
    run install -d -m 750 -o "$user" -g "$user" "$data"
    run install -d -m 755 "$config"
    if [ "$source" != "$dir" ]; then
        run rsync -a --delete --exclude /.venv --exclude /data --exclude /.git --exclude __pycache__ "$source/" "$dir/"
    fi
    # What a cluster needs beside the rest is in the larger list.
    [ -n "$worker" ] && packages=dev || packages=runtime
    run sh "$dir/tools/setup.sh" "$packages"
fi

# Yours: made once, never written over.
[ -f "$destdir$config/g6_config.json" ] || put 644 "$config/g6_config.json" < <(absolute_settings)
[ -f "$destdir$config/environment" ] || put 600 "$config/environment" < <(own_environment)
[ -z "$real" ] || chown "$user:" "$config/environment"

put 644 "$config/workspace.yaml" < <(filled "$source/deploy/workspace.yaml")
put 755 /usr/local/bin/g6 < <(filled "$source/deploy/g6")
put 644 /etc/logrotate.d/g6 < <(filled "$source/deploy/logrotate/g6")
units /etc/systemd/system

if [ -z "$destdir" ] && [ -n "$worker" ]; then
    run systemctl daemon-reload
    run systemctl enable g6-worker@1
    run systemctl restart 'g6-worker@*' g6-worker@1
elif [ -z "$destdir" ]; then
    run systemctl daemon-reload
    run systemctl enable g6.target g6-backup.timer
    # Stopped in the order that the units name: daemon first, then pages, then the code server with its runs.
    run systemctl restart g6.target
fi

say "done, $changed files changed"
if [ ! -f "$destdir$data/live/world.json" ]; then
    if [ -n "$worker" ]; then
        say "next: see docs/scaling.md for $config/environment and $data, then: systemctl restart g6-worker@1"
    else
        say "next: fill in $config/environment and look through $config/g6_config.json, then"
        say "      g6 login && systemctl restart g6.target && g6 doctor"
    fi
fi
