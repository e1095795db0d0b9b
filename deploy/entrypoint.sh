#!/bin/sh
# Make a signing key in the data volume if none is set, bring the catalog up to date,
# make the first administrator, then become gunicorn.
set -eu

if [ -z "${GATEWAY_KEYS:-}" ] && [ -z "${GATEWAY_KEYS_FILE:-}" ]; then
    gateway keys new --add --if-none
    export GATEWAY_KEYS_FILE="$GATEWAY_DATA/keys"
fi
gateway db upgrade --make-admin
GATEWAY_POOL=verdicts gunicorn --config /opt/gateway/gunicorn.conf.py &
GATEWAY_POOL=app exec gunicorn --config /opt/gateway/gunicorn.conf.py
