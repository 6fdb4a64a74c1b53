#!/bin/sh
# Builds .venv from the lock file. System packages are installed when root, otherwise named.
set -eu
python=${PYTHON:-python3}
"$python" - <<'PY' || { echo "error: gimmal needs Python 3.11 or newer" >&2; echo "hint: set PYTHON=/path/to/python3.11" >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
PY
missing=
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ]; then
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
  else
    echo "error: system packages are missing:$missing" >&2
    echo "hint: sudo apt-get install$missing" >&2
    exit 1
  fi
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install -q --disable-pip-version-check 'uv>=0.9'
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv sync -q --locked --active --inexact
.venv/bin/python -m compileall -q src .venv/lib >/dev/null 2>&1 || true
