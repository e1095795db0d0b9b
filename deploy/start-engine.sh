#!/bin/sh
# Start a Docker engine from Debian's packages if none runs; needs root.
#
#   deploy/start-engine.sh            install it, start it, wait until it answers
#   deploy/start-engine.sh --compose  install the compose plugin, too, if it is missing
#
# For machines without a service manager (CI, chroots, air-gapped hosts).  With systemd
# use instead: apt-get install docker.io && systemctl start docker.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

if ! docker info >/dev/null 2>&1; then
    "$here/install-packages.sh" docker.io iptables
    state=${ENGINE_STATE:-/var/lib/accel-gateway-engine}
    mkdir -p "$state"
    echo "starting a Docker engine; its log is $state/log"
    setsid nohup dockerd --data-root "$state/data" --exec-root "$state/exec" \
        --pidfile "$state/pid" >"$state/log" 2>&1 </dev/null &
    tries=0
    until docker info >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 120 ]; then
            tail -20 "$state/log" >&2
            echo "the Docker engine does not answer" >&2
            exit 1
        fi
        sleep 0.5
    done
fi
[ "${1:-}" = --compose ] || exit 0

docker compose version >/dev/null 2>&1 && exit 0
# Debian 13 has Compose 2; its package is one static binary, which runs on older releases
# as well, as a plugin of any docker command.
"$here/install-packages.sh" debootstrap
root=$("$here/base-image.sh" --root-only)
rm -f "$root"/tmp/docker-compose_*.deb
chroot "$root" sh -c 'apt-get update -qq && cd /tmp && apt-get download -qq docker-compose' >&2
plugins=/usr/local/lib/docker/cli-plugins
mkdir -p "$plugins" "$root/tmp/compose"
dpkg-deb -x "$root"/tmp/docker-compose_*.deb "$root/tmp/compose"
install -m 0755 "$root/tmp/compose/usr/libexec/docker/cli-plugins/docker-compose" "$plugins/"
rm -rf "$root/tmp/compose" "$root"/tmp/docker-compose_*.deb
docker compose version
