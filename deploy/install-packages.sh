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
made=
# shellcheck disable=SC2086 -- a list of paths of ours
trap 'rm -f "$log"; [ -z "$made" ] || $sudo rm -f $made' EXIT
trap 'exit 1' HUP INT TERM

# For as long as the installation lasts; what the administrator put there stays.
put() {
    [ ! -e "$1" ] || return 0
    made="$made $1"
    $sudo mkdir -p "${1%/*}"
    $sudo tee "$1" >/dev/null
    $sudo chmod 0755 "$1"
}

# Packages start the services that they bring, with systemd or without it:
# Debian's own nginx would take port 80, though `gateway serve` starts its own.
put /usr/sbin/policy-rc.d <<'EOF'
#!/bin/sh
exit 101
EOF
case $missing in
    *postgresql*)
        # The server's programs are wanted, not a database that nobody asked for.
        put /etc/postgresql-common/createcluster.d/accel-gateway.conf <<'EOF'
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
        # Nor at the next boot.
        ! command -v systemctl >/dev/null || $sudo systemctl disable --quiet nginx.service
        ;;
esac
case $missing in
    *" pgbouncer"*)
        ! command -v systemctl >/dev/null || $sudo systemctl disable --quiet pgbouncer.service
        ;;
esac
