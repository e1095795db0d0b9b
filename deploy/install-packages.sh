#!/bin/sh
# Install missing Debian packages, as root or with sudo.
#
#   deploy/install-packages.sh nginx python3-venv
set -eu

missing=
for package in "$@"; do
    case $package in
        # These may be installed without their Debian package.
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
        echo "install these packages as root first: apt-get install$missing" >&2
        exit 1
    }
    sudo=sudo
fi
echo "installing$missing"
log=$(mktemp)
created=
# shellcheck disable=SC2086 -- a list of paths without blanks
trap 'rm -f "$log"; [ -z "$created" ] || $sudo rm -f $created' EXIT
trap 'exit 1' HUP INT TERM

# Create a file during the installation only; an existing file is kept.
create_temporarily() {
    [ ! -e "$1" ] || return 0
    created="$created $1"
    $sudo mkdir -p "${1%/*}"
    $sudo tee "$1" >/dev/null
    $sudo chmod 0755 "$1"
}

# Packages start their services, with systemd or without: Debian's nginx would take port
# 80, although `gateway serve` starts its own nginx.
create_temporarily /usr/sbin/policy-rc.d <<'EOF'
#!/bin/sh
exit 101
EOF
case $missing in
    *postgresql*)
        # Only the server's programs are needed: don't create a database cluster.
        create_temporarily /etc/postgresql-common/createcluster.d/accel-gateway.conf <<'EOF'
create_main_cluster = false
EOF
        ;;
esac
if ! {
    $sudo apt-get update -qq &&
        $sudo env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends $missing
} >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
case $missing in
    *" nginx"*)
        # Don't start the service at the next boot either.
        ! command -v systemctl >/dev/null || $sudo systemctl disable --quiet nginx.service
        ;;
esac
case $missing in
    *" prometheus"*)
        ! command -v systemctl >/dev/null || $sudo systemctl disable --quiet prometheus.service
        ;;
esac
case $missing in
    *" pgbouncer"*)
        ! command -v systemctl >/dev/null || $sudo systemctl disable --quiet pgbouncer.service
        ;;
esac
