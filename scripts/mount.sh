#!/bin/sh
# What `gimmal mount` needs: system packages, installed when root, and pyfuse3, which is built with them. Without them
# everything else works, and the tests of the mount are skipped and say why.
set -eu
cd "$(dirname "$0")/.."
missing=
for pair in fusermount3:fuse3 gcc:gcc pkg-config:pkg-config; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
pkg-config --exists fuse3 2>/dev/null || missing="$missing libfuse3-dev"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -q || true
  # shellcheck disable=SC2086 - several words
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -q --no-install-recommends $missing &&
    missing=
fi
if [ -n "$missing" ]; then
  echo "note: gimmal mount is left out, and its tests are skipped, without:$missing" >&2
  exit 0
fi
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv sync -q --locked --active --inexact --extra mount ||
  echo "note: gimmal mount is left out: pyfuse3 could not be built" >&2
