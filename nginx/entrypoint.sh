#!/bin/sh
# Run nginx with the configuration that the gateway's container renders.
#
#   nginx/entrypoint.sh CONF RUN
#
# CONF contains versions of the configuration; the symlink `live` points to the current
# one.  Each new version is checked, then loaded; if nginx rejects it, the error is
# logged and the old version stays loaded.
set -eu

home=$1
conf=$home/live/nginx.conf

# Rotate the ledger's file from this size, in bytes.
rotate_size=67108864

watch() {
    while sleep 0.5; do
        sh "$home/live/ledger.sh" rotate "$1" $rotate_size || :
        live=$(readlink "$home/live") || continue
        [ "$live" != "$loaded" ] || continue
        loaded=$live
        if nginx -e stderr -t -q -c "$conf"; then
            kill -HUP "$1"
        else
            echo "nginx: the previous configuration stays loaded" >&2
        fi
    done
}

# The gateway may start after this container, e.g. after a restart of the engine.
until loaded=$(readlink "$home/live"); do
    sleep 0.2
done

# nginx's error log quotes request lines, tokens included, and that can't be switched
# off: pass it through a pipe that redacts them.
errors=$2/errors
rm -f "$errors" "$2/authorize.sock" "$2/store.sock"
mkfifo "$errors"
sed -u -E -f "$home/live/redact.sed" <"$errors" >&2 &
exec 2>"$errors"

sh "$home/live/ledger.sh" begin
watch $$ &
ulimit -n "$(ulimit -H -n)"
exec nginx -e stderr -g 'daemon off;' -c "$conf"
