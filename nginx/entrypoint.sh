#!/bin/sh
# Run nginx on the configuration that the gateway's container renders.
#
#   nginx/entrypoint.sh GENERATIONS RUN
#
# The link `live` names the generation to read.  Each new one is checked and then
# loaded; one that nginx refuses is reported, and the old one stays loaded.
set -eu

home=$1
conf=$home/live/nginx.conf

# Bytes of the ledger's file from which another one is begun.
long=67108864

watch() {
    while sleep 0.5; do
        sh "$home/live/ledger.sh" rotate "$1" $long || :
        live=$(readlink "$home/live") || continue
        [ "$live" != "$loaded" ] || continue
        loaded=$live
        if nginx -e stderr -t -q -c "$conf"; then
            kill -HUP "$1"
        else
            echo "nginx: the configuration stays as it was" >&2
        fi
    done
}

# The gateway may start after this container, as after a restart of the engine.
until loaded=$(readlink "$home/live"); do
    sleep 0.2
done

# nginx's error log quotes request lines, tokens included, and can't be told not
# to: it goes through a pipe that blanks them.
errors=$2/errors
rm -f "$errors"
mkfifo "$errors"
sed -u -E -f "$home/live/redact.sed" <"$errors" >&2 &
exec 2>"$errors"

sh "$home/live/ledger.sh" begin
watch $$ &
ulimit -n "$(ulimit -H -n)"
exec nginx -e stderr -g 'daemon off;' -c "$conf"
