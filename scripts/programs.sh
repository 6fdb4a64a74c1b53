#!/bin/sh
# Other people's programs that tests run in the mount. Installed when root; elsewhere those tests are skipped and say why.
set -eu
missing=
for program in git vim; do
  command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "note: some tests of gimmal mount are skipped without:$missing" >&2
  exit 0
fi
apt-get update -q || true
# shellcheck disable=SC2086 - several words
DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -q --no-install-recommends $missing ||
  echo "note: some tests of gimmal mount are skipped without:$missing" >&2
