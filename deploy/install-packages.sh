#!/bin/sh
# Install Debian packages that are missing, as root or through sudo.
#
#   deploy/install-packages.sh nginx python3-venv
set -eu

missing=
for package in "$@"; do
    case $package in
        # Installed some other way counts too.
        nginx) PATH=$PATH:/usr/sbin:/sbin command -v nginx >/dev/null && continue ;;
        python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null && continue ;;
        *) dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' && continue ;;
    esac
    missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "install these as root first: apt-get install$missing" >&2
        exit 1
    }
    sudo=sudo
fi
echo "installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# nginx is started by `gateway serve` alone: a policy keeps Debian's own service
# from taking port 80 on machines where packages start what they install.
if ! {
    $sudo apt-get update -qq &&
        $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get install -y -qq --no-install-recommends $missing
} >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
