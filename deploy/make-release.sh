#!/bin/sh
# Build a release of the commit that is checked out, into dist/: the wheel, the source
# archive, both images in one archive for `docker load`, and SHA256SUMS.
#
# The wheel and the source archive of a commit are always the same, byte for byte.  The
# images are not: they contain Debian's packages of the day.
set -eu
cd "$(dirname "$0")/.."

refuse() {
    echo "no release was built: $1" >&2
    exit 1
}
changed=$(git status --porcelain)
[ -z "$changed" ] || refuse "these files are not committed:
$changed"
version=$(.venv/bin/hatchling version)
case $version in
    *.dev*) ;;
    *)
        grep -qF "## [$version]" CHANGELOG.md ||
            refuse "CHANGELOG.md has no section [$version]"
        ;;
esac
docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1 ||
    refuse "the images need a Docker engine with compose, and none answers"

rm -rf dist
deploy/take-scripts.sh --required
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) .venv/bin/hatchling build -d dist
docker compose build
for image in accel-gateway/gateway accel-gateway/nginx; do
    docker tag "$image:latest" "$image:$version"
    # Compose starts `latest`; the other name keeps the release for a rollback.
    set -- "$@" "$image:latest" "$image:$version"
done
machine=$(docker image inspect --format '{{.Architecture}}' accel-gateway/gateway)
images=accel-gateway-$version-images-$machine.tar
docker save --output "dist/$images" "$@"
gzip -n "dist/$images"
chmod 0644 "dist/$images.gz"
cd dist
sha256sum accel?gateway-* >SHA256SUMS
ls -l
