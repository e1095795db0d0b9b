#!/bin/sh
# Start Debian's Prometheus with the rules in this folder, to watch a gateway that runs.
#
#   deploy/observe/run.sh [URL]
#
# URL is the gateway's address, http://127.0.0.1:8080 by default.  Prometheus then shows
# its pages on http://127.0.0.1:9090 until it is interrupted, and keeps nothing.
#
#   OBSERVE_LISTEN     another address for Prometheus
#   OBSERVE_TOKEN_FILE a file with a token of the scope `metrics`, for a gateway on
#                      another machine
#   OBSERVE_INTERVAL   the time between two requests, 15s by default
set -eu
here=$(cd "$(dirname "$0")" && pwd)
url=${1:-http://127.0.0.1:8080}
case $url in
http://* | https://*) ;;
*)
    echo "usage: deploy/observe/run.sh [URL]" >&2
    exit 2
    ;;
esac
target=${url#*://}
target=${target%/}
listen=${OBSERVE_LISTEN:-127.0.0.1:9090}
token=${OBSERVE_TOKEN_FILE:-}

"$here/../install-packages.sh" prometheus

folder=$(mktemp -d)
prometheus=
trap 'rm -rf "$folder"' EXIT
trap '[ -z "$prometheus" ] || kill "$prometheus"' INT TERM

cp "$here/alerts.yml" "$folder"
sed -e "s|127\.0\.0\.1:8080|$target|" \
    -e "s|scheme: http\$|scheme: ${url%%:*}|" \
    -e "s|_interval: 15s|_interval: ${OBSERVE_INTERVAL:-15s}|" \
    ${token:+-e "s|# authorization:.*|authorization: {credentials_file: \"$(realpath "$token")\"}|"} \
    "$here/prometheus.yml" >"$folder/prometheus.yml"
promtool check config "$folder/prometheus.yml" >/dev/null

prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" \
    --web.listen-address="$listen" --log.level=warn &
prometheus=$!
echo "Prometheus: http://$listen/alerts and http://$listen/targets"
# A signal ends `wait` at once: wait again, until Prometheus has ended.
while kill -0 "$prometheus" 2>/dev/null; do
    wait "$prometheus" || :
done
