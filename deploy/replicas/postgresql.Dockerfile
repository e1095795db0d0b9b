# Debian's PostgreSQL, with the database `gateway`.
FROM debian:trixie-slim

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        postgresql-common \
    && echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql \
    && rm -rf /var/lib/apt/lists/* \
    # PostgreSQL looks up its user's name.
    && useradd --uid 10001 --home-dir /var/lib/postgresql gateway \
    && rm -rf /var/lib/postgresql \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/postgresql
COPY replicas/postgresql.sh /opt/

USER 10001:10001
VOLUME /var/lib/postgresql
# Disconnect clients and stop.
STOPSIGNAL SIGINT
HEALTHCHECK --interval=2s --timeout=5s --start-period=60s --retries=5 \
    CMD ["pg_isready", "--quiet", "--host=/run/postgresql", "--dbname=gateway"]
ENTRYPOINT ["sh", "/opt/postgresql.sh"]
