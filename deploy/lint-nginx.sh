#!/bin/sh
# Render nginx's configuration and check it with nginx and gixy-next: with and without
# cached verdicts, CORS origins, HSTS, a site that authorizes, a path prefix and buckets,
# each with an additional TLS server; and the internal locations in an nginx without the gateway.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/store/spool" "$work/store/byte-cache" "$work/store/ledger/0" "$work/run/nginx"
printf 0 >"$work/id"
PATH=$PATH:/usr/sbin:/sbin

check() {
    conf=$work/conf-$1
    GATEWAY_FILES="deploy/sample $7" GATEWAY_BLOBS=$9 GATEWAY_BUCKET_ENDPOINT=$8 GATEWAY_DATA=$work GATEWAY_VERDICT_CACHE=$work/verdicts \
        GATEWAY_TRUSTED_PROXIES=192.0.2.0/24 GATEWAY_PUBLIC_URL=https://files.example.com$6 \
        GATEWAY_VERDICT_TTL=$2 GATEWAY_CORS_ORIGINS=$3 GATEWAY_HSTS=$4 GATEWAY_AUTHORIZE=$5 \
        gateway nginx-conf --output "$conf" --listen 127.0.0.1:8080 --access-log "$work/access.log"
    # Addresses on which any user can listen, on any machine.
    sed -i 's/listen 443/listen 127.0.0.1:8443/; s/listen \[::\]:443/listen 127.0.0.2:8443/' \
        "$conf/snippets/tls.conf"
    cat >>"$conf/server.conf" <<EOF
server {
    include $conf/snippets/tls.conf;
    ssl_reject_handshake on;
    server_name files.example.com;
    access_log $work/access.log gateway;
    include $conf/snippets/ledger.conf;
    include $conf/snippets/gateway.conf;
}
EOF
    nginx -e stderr -t -q -c "$conf/nginx.conf"
    # Skipped: the supervisor raises the limit of open files to the hard limit;
    # snippets/statics.conf has few files and must not use a cache of open files; the name
    # in GATEWAY_AUTHORIZE is looked up at the start only, as docs/authorize.md says, and so
    # is the bucket's server; default_type takes no variable, as an object's type is.
    gixy --skips worker_rlimit_nofile_vs_connections,try_files_is_evil_too,stale_dns_cache,add_header_content_type \
        "$conf/nginx.conf"
}

# A site's own nginx with snippets/internal.conf, and nothing else of the gateway.
check_alone() {
    conf=$work/conf-$1
    cat >"$work/alone.conf" <<EOF
$2
worker_processes auto;
pid $work/alone.pid;
events {
    worker_connections 1024;
}
http {
    access_log $work/access.log;
    server_tokens off;
    include $conf/conf.d/delivery.conf;
    $3
    server {
        listen 127.0.0.1:8081;
        server_name www.example.com;
        include $conf/snippets/internal.conf;
        location / {
            proxy_pass http://127.0.0.1:8000;
            proxy_set_header Host \$host;
        }
    }
}
EOF
    nginx -e stderr -t -q -c "$work/alone.conf"
    gixy --skips worker_rlimit_nofile_vs_connections,try_files_is_evil_too,stale_dns_cache,add_header_content_type \
        "$work/alone.conf"
}

check kept 1 https://www.example.com,https://app.example.com 365d http://127.0.0.1:5000/may-read "" "" "" ""
check longer 30 "" 0 "" "" "" "" ""
check asked 0 "" 365d https://localhost "" "" "" ""
check below 1 "" 0 http://127.0.0.1:5000/may-read /media/v1.2 "" "" ""
check bucket 1 https://www.example.com 365d http://127.0.0.1:5000/may-read "" videos/=s3://media/videos https://localhost s3://media/uploads
check local-bucket 0 "" 0 "" "" videos/=s3://media http://127.0.0.1:8333 ""
check_alone kept "" ""
check_alone bucket "load_module /usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so;" \
    "include $work/conf-bucket/conf.d/bucket.conf;"
