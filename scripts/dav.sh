#!/bin/sh
# Clients that the tests of `gimmal dav` use. Installed when root; elsewhere those tests are skipped and say why.
set -eu
missing=
for pair in litmus:litmus rclone:rclone mount.davfs:davfs2 curl:curl; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "note: some tests of gimmal dav are skipped without:$missing" >&2
  exit 0
fi
apt-get update -q || true
# shellcheck disable=SC2086 - several words
DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -q --no-install-recommends $missing ||
  echo "note: some tests of gimmal dav are skipped without:$missing" >&2
