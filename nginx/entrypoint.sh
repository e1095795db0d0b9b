#!/bin/sh
# Render the configuration into memory, then become nginx.
set -eu

conf=/run/nginx/conf
"$(dirname "$0")/render.sh" "$conf"

# nginx's error log quotes request lines, tokens included, and can't be told not
# to: it goes through a pipe that blanks them.
errors=/run/nginx/errors
rm -f "$errors"
mkfifo "$errors"
sed -u -E -f "$(dirname "$0")/redact.sed" <"$errors" >&2 &

ulimit -n "$(ulimit -H -n)"
exec nginx -e stderr -g 'daemon off;' -c "$conf/nginx.conf" 2>"$errors"
