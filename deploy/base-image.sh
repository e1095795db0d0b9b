#!/bin/sh
# Build the image debian:trixie-slim where Docker Hub can't be reached; needs root.
#
#   deploy/base-image.sh              build it unless the engine already has it
#   deploy/base-image.sh --root-only  build only the root file system; print its path
#
# Only Debian's mirrors are needed: debootstrap unpacks the same packages.  For networks
# whose proxy intercepts TLS, this machine's CA bundle is added to the image, so that pip
# in a build trusts the same authorities as pip on this machine.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tag=debian:trixie-slim
cache=${BASE_IMAGE_CACHE:-/var/cache/accel-gateway}
root=$cache/trixie

if [ "${1:-}" != --root-only ] && docker image inspect "$tag" >/dev/null 2>&1; then
    exit 0
fi
if [ ! -e "$root/.complete" ]; then
    "$here/install-packages.sh" debootstrap >&2
    rm -rf "$root"
    mkdir -p "$root"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    PATH=$PATH:/usr/sbin:/sbin debootstrap --variant=minbase trixie "$root" >"$log" 2>&1 || {
        tail -20 "$log" >&2
        exit 1
    }
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/usr/share/doc/* "$root"/usr/share/man/*
    touch "$root/.complete"
fi
if [ "${1:-}" = --root-only ]; then
    echo "$root"
    exit 0
fi

set --
bundle=${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
if [ -r "$bundle" ]; then
    install -D -m 0644 "$bundle" "$root/etc/ssl/build-machine.crt"
    set -- --change 'ENV PIP_CERT=/etc/ssl/build-machine.crt'
fi
tar -C "$root" --exclude=./.complete --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' --exclude='./var/lib/apt/lists/*' -c . |
    docker import "$@" --change 'CMD ["bash"]' - "$tag" >/dev/null
echo "made $tag"
