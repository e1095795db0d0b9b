#!/bin/sh
# Render nginx's configuration, and have nginx and gixy-next check it.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

GATEWAY_FILES=deploy/sample GATEWAY_DATA=$work GATEWAY_VERDICT_CACHE=$work/verdicts \
    GATEWAY_TRUSTED_PROXIES=192.0.2.0/24 \
    GATEWAY_PUBLIC_URL=https://files.example.com GATEWAY_CORS_ORIGINS=https://www.example.com \
    gateway nginx-conf --output "$work/conf" --listen 127.0.0.1:8080 --access-log "$work/access.log"
mkdir -p "$work/store/spool"
PATH=$PATH:/usr/sbin:/sbin
nginx -e stderr -t -q -c "$work/conf/nginx.conf"
# The limit of open files is raised by whoever starts nginx, as far as is allowed.
# Style and scripts are few, and must not come from a cache of open files.
gixy --skips worker_rlimit_nofile_vs_connections,try_files_is_evil_too "$work/conf/nginx.conf"
