# Create the database at the first start, then run PostgreSQL.
set -eu
bin=$(echo /usr/lib/postgresql/*/bin)
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
    # (!) In a folder beside it: a start that was killed has made no `data`, or all of it.
    new=$data.new
    rm -rf "$new"
    "$bin/initdb" --pgdata="$new" --username=gateway --pwfile=/var/lib/gateway-secrets/password \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C >/dev/null
    echo 'host all all all scram-sha-256' >>"$new/pg_hba.conf"
    echo 'CREATE DATABASE gateway;' | "$bin/postgres" --single -D "$new" postgres >/dev/null
    sync "$new/pg_hba.conf"
    mv -T "$new" "$data"
    sync "${data%/*}"
fi
exec "$bin/postgres" -D "$data" -c listen_addresses='*' \
    -c unix_socket_directories=/run/postgresql
