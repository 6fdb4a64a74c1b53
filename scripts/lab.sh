#!/bin/sh
# System packages of the network laboratory (tests/lab). Installed when root; elsewhere those tests are skipped and say why.
set -eu
missing=
for pair in ip:iproute2 nft:nftables miniupnpd:miniupnpd-nftables tinyproxy:tinyproxy-bin nginx:nginx-light gcc:build-essential; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "note: tests/lab is skipped without:$missing" >&2
  exit 0
fi
apt-get update -q || true
# Nothing is started, which is what that run level says: the tests start what they need, in networks of their own.
# shellcheck disable=SC2086 - several words
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -q --no-install-recommends $missing ||
  echo "note: tests/lab is skipped without:$missing" >&2
