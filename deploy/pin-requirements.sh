#!/bin/sh
# Pin the newest releases that pyproject.toml allows, with hashes, for Python 3.11 and
# newer.
set -eu
cd "$(dirname "$0")/.."

pin() {
    output=deploy/requirements/$1
    shift
    .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
        --generate-hashes --no-header "$@" --output-file "$output"
}
pin run.txt --extra postgresql --extra bucket pyproject.toml
pin build.txt --group build
pin node.txt --group node
pin seaweedfs.txt --group seaweedfs
pin dev.txt --extra server pyproject.toml --group build --group dev
# It is installed beside the others, and must not change them.
pin audit.txt --group audit --constraint deploy/requirements/dev.txt
