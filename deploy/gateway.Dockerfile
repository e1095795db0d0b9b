# The pages' JavaScript libraries from npm; npm itself comes from PyPI.
FROM debian:trixie-slim AS scripts

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        python3 python3-venv
WORKDIR /src
COPY deploy/requirements/node.txt deploy/requirements/
RUN python3 -m venv /opt/node \
    && /opt/node/bin/pip install --no-cache-dir --require-hashes -r deploy/requirements/node.txt
COPY package.json package-lock.json .npmrc ./
COPY deploy/take-scripts.sh deploy/
RUN NODE_PYTHON=/opt/node/bin/python deploy/take-scripts.sh --required


# Flask under gunicorn, and housekeeping: it listens on sockets in a folder, and needs a
# network only to send mail and for a bucket.
FROM debian:trixie-slim AS build

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        python3 python3-venv
WORKDIR /src
COPY deploy/requirements/run.txt deploy/requirements/build.txt deploy/requirements/
RUN python3 -m venv /opt/gateway \
    && /opt/gateway/bin/pip install --no-cache-dir --require-hashes -r deploy/requirements/run.txt \
    && python3 -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r deploy/requirements/build.txt
COPY pyproject.toml README.md LICENSE gunicorn.conf.py ./
COPY gateway gateway
COPY --from=scripts /src/gateway/web/static/vendor gateway/web/static/vendor
COPY nginx nginx
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
    && /opt/gateway/bin/pip install --no-cache-dir --no-deps /tmp/wheel/*.whl \
    && /opt/gateway/bin/pip uninstall --yes pip


FROM debian:trixie-slim

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 10001 -g 10001 -m 0700 \
        /var/lib/gateway /var/lib/gateway/run /var/lib/gateway-store \
        /var/lib/gateway-secrets
COPY --from=build /opt/gateway /opt/gateway

# The same user as in nginx's image: only this user can connect to the sockets.
USER 10001:10001
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATEWAY_DATA=/var/lib/gateway \
    GATEWAY_FILES=/srv/files \
    GATEWAY_STORE=/var/lib/gateway-store \
    GATEWAY_VERDICT_CACHE=/run/nginx/verdicts
WORKDIR /var/lib/gateway
VOLUME /var/lib/gateway /var/lib/gateway-store
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "gateway.runtime.probe", "/var/lib/gateway/run/app.sock"]
ENTRYPOINT ["gateway"]
# nginx's container listens on port 8080 and writes to /run/nginx.
CMD ["serve", "--without-nginx", "--bind", ":8080", "--nginx-run", "/run/nginx"]
