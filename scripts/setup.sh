#!/bin/sh
# Builds .venv from the lock file. System packages are installed when root, otherwise named.
set -eu
cd "$(dirname "$0")/.."

# The Python to build with: the one named by PYTHON, else the first of these that is new enough.
new_enough='import sys; sys.version_info < (3, 11) and sys.exit(1)'
python=
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
  if "$candidate" -c "$new_enough" 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "error: gimmal needs Python 3.11 or newer, and ${PYTHON:-python3} is not" >&2
  echo "hint: install one, or run make setup PYTHON=/path/to/python3.11" >&2
  exit 1
fi

# Debian and Ubuntu leave out of Python what makes a virtual environment.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if [ "$(id -u)" != 0 ]; then
    echo "error: a system package is missing: $package" >&2
    echo "hint: sudo apt-get install $package" >&2
    exit 1
  fi
  if ! command -v apt-get >/dev/null; then
    echo "error: $python has no ensurepip and venv modules, and there is no apt-get to install them" >&2
    echo "hint: install them as this system does, or run make setup PYTHON=/path/to/another/python" >&2
    exit 1
  fi
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$package"
fi

# A .venv that is there and does not run, is too old, or can install nothing (another tool made it), is made anew.
.venv/bin/python -c "$new_enough; import pip" 2>/dev/null || "$python" -m venv --clear .venv
if ! .venv/bin/uv --version >/dev/null 2>&1; then
  .venv/bin/python -m pip install -q --disable-pip-version-check 'uv>=0.9'
fi
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv sync -q --locked --active --inexact
# Bytecode beforehand: the first command is then as quick as the second.
.venv/bin/python -m compileall -q src .venv/lib >/dev/null 2>&1 || true
