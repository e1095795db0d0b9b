#!/bin/sh
# Fill the templates beside this script from the environment.
#
#   nginx/render.sh OUTPUT
#
# The same settings give the same text as `gateway nginx-conf`, by envsubst
# (Debian: gettext-base) instead of Python.  The settings are checked by the
# gateway, which reads the same ones.
set -eu

templates=$(cd "$(dirname "$0")" && pwd)
export GATEWAY_CONF=$1

# Each setting may come in a file instead; gateway/variables.py has the same rules.
for name in CLIENT_CONNECTIONS CLIENT_REQUESTS CORS_ORIGINS DATA FILES GRACE HOSTS \
    PUBLIC_URL STORE TRUSTED_PROXIES UPLOAD_SIZE VERDICT_CACHE VERDICT_TTL; do
    eval "text=\${GATEWAY_$name:-} file=\${GATEWAY_${name}_FILE:-}"
    [ -n "$file" ] || continue
    if [ -n "$text" ]; then
        echo "GATEWAY_$name: set it or GATEWAY_${name}_FILE, not both" >&2
        exit 1
    fi
    text=$(cat "$file")
    text=${text#"${text%%[![:space:]]*}"}
    text=${text%"${text##*[![:space:]]}"}
    eval "GATEWAY_$name=\$text"
done
data=${GATEWAY_DATA:-$PWD/var}

words() {
    printf '%s' "$1" | tr ',[:space:]' '\n' | sed '/^$/d'
}
joined() {
    paste -s -d ' ' -
}

host=$(printf '%s' "${GATEWAY_PUBLIC_URL:-}" | sed -E 's#^[a-z]+://##; s#(:[0-9]+)?/*$##' | tr '[:upper:]' '[:lower:]')
GATEWAY_SERVER_NAMES=$(
    words "$host ${GATEWAY_HOSTS:-}" |
        sed -e '/^localhost$/d' -e '/^127\.0\.0\.1$/d' -e '/^\[::1\]$/d' -e 's/^\*$/~./' | joined
)
GATEWAY_REAL_IP=$(words "${GATEWAY_TRUSTED_PROXIES:-}" | sed 's/.*/set_real_ip_from &;/' | joined)
GATEWAY_CORS_ORIGINS=$(words "${GATEWAY_CORS_ORIGINS:-}" | joined)
GATEWAY_CORS=${GATEWAY_CORS_ORIGINS:+named}
export GATEWAY_SERVER_NAMES GATEWAY_REAL_IP GATEWAY_CORS_ORIGINS
export GATEWAY_CORS="${GATEWAY_CORS:-none}"

export GATEWAY_ACCESS_LOG="${GATEWAY_ACCESS_LOG:-/dev/stdout}"
export GATEWAY_CLIENT_CONNECTIONS="${GATEWAY_CLIENT_CONNECTIONS:-100}"
export GATEWAY_CLIENT_REQUESTS="${GATEWAY_CLIENT_REQUESTS:-200}"
export GATEWAY_FILES="${GATEWAY_FILES:?is not set}"
upload_size=${GATEWAY_UPLOAD_SIZE:-10737418240}
# Its files and 1 MiB around them; 0 is no limit.
GATEWAY_FORM_SIZE=$((upload_size == 0 ? 0 : upload_size + 1048576))
export GATEWAY_FORM_SIZE
export GATEWAY_GRACE="${GATEWAY_GRACE:-30}"
export GATEWAY_LISTEN="${GATEWAY_LISTEN:-8080}"
export GATEWAY_RUN="${GATEWAY_RUN:-$data/run/nginx}"
export GATEWAY_STORE="${GATEWAY_STORE:-$data/store}"
export GATEWAY_UPLOAD_SIZE="$upload_size"
GATEWAY_BEARER_URLS=cached
GATEWAY_VERDICT_EPOCH=
case ${GATEWAY_VERDICT_TTL:-1} in
    0) GATEWAY_BEARER_URLS=asked ;;
    1) GATEWAY_VERDICT_EPOCH='$gateway_second' ;;
esac
export GATEWAY_VERDICT_EPOCH
digest=$(printf '%s' "$data" | sha256sum | cut -c 1-16)
export GATEWAY_BEARER_URLS GATEWAY_VERDICT_CACHE="${GATEWAY_VERDICT_CACHE:-/dev/shm/accel-gateway-$digest}"
export GATEWAY_SOCKETS="${GATEWAY_SOCKETS:-$data/run}"

names='${GATEWAY_ACCESS_LOG} ${GATEWAY_CLIENT_CONNECTIONS}
    ${GATEWAY_CLIENT_REQUESTS} ${GATEWAY_CONF} ${GATEWAY_CORS} ${GATEWAY_CORS_ORIGINS} ${GATEWAY_FILES}
    ${GATEWAY_FORM_SIZE} ${GATEWAY_GRACE} ${GATEWAY_LISTEN} ${GATEWAY_REAL_IP} ${GATEWAY_RUN}
    ${GATEWAY_BEARER_URLS} ${GATEWAY_SERVER_NAMES} ${GATEWAY_SOCKETS} ${GATEWAY_STORE}
    ${GATEWAY_UPLOAD_SIZE} ${GATEWAY_VERDICT_CACHE} ${GATEWAY_VERDICT_EPOCH}'

cd "$templates"
mkdir -p "$GATEWAY_RUN"
for template in nginx.conf server.conf conf.d/*.conf snippets/*.conf; do
    mkdir -p "$GATEWAY_CONF/$(dirname "$template")"
    envsubst "$names" <"$template" >"$GATEWAY_CONF/$template"
done
cp -R pages ../gateway/web/static "$GATEWAY_CONF/"
