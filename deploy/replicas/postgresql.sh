# Create the database at the first start, then run PostgreSQL.
set -eu
bin=$(echo /usr/lib/postgresql/*/bin)
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
    "$bin/initdb" --pgdata="$data" --username=gateway --pwfile=/var/lib/gateway-secrets/password \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C >/dev/null
    echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
    echo 'CREATE DATABASE gateway;' | "$bin/postgres" --single -D "$data" postgres >/dev/null
fi
exec "$bin/postgres" -D "$data" -c listen_addresses='*' \
    -c unix_socket_directories=/run/postgresql
