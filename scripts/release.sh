#!/bin/sh
# Builds a release into dist/: wheel, sdist, list of components (SBOM), audit of the dependencies, checksums.
# Publishes nothing. Exit code 0: all of it is there and the audit found nothing; 1: something failed or the audit
# found a vulnerability; 3: built, but the audit could not be made.
set -eu
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin
work=build/release
VIRTUAL_ENV=$PWD/.venv
export VIRTUAL_ENV

say() { printf 'release: %s\n' "$1"; }

if [ -n "$(git status --porcelain 2>/dev/null)" ]; then
  say "WARNING: the working tree has changes that are in no commit; do not publish this build"
fi
# One commit gives the same files, whenever they are built.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 315532800)
export SOURCE_DATE_EPOCH

rm -rf dist "$work"
mkdir -p dist "$work"
"$bin/uv" sync -q --locked --active --inexact --group release
version=$("$bin/python" -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')
grep -q "^## $version\b" CHANGELOG.md || { say "error: CHANGELOG.md has no section for $version"; exit 1; }

say "building $version"
"$bin/uv" build -q --sdist --wheel --out-dir dist
rm -f dist/.gitignore

say "installing the wheel with the locked dependencies, as a user would"
"$bin/uv" export -q --locked --no-dev --no-emit-project --format requirements-txt --output-file "$work/requirements.txt"
"$bin/uv" venv -q --python "$bin/python" "$work/venv"
"$bin/uv" pip install -q --python "$work/venv/bin/python" --require-hashes --requirement "$work/requirements.txt"
"$bin/uv" pip install -q --python "$work/venv/bin/python" --no-deps dist/*.whl
installed=$("$work/venv/bin/gimmal" --version)
[ "$installed" = "gimmal, version $version" ] || { say "error: the wheel says: $installed"; exit 1; }
mkdir "$work/a" "$work/b"
"$work/venv/bin/gimmal" pair "$work/a" "$work/b" --name release --no-password >/dev/null 2>&1 ||
  { say "error: the installed wheel cannot join two halves"; exit 1; }

say "listing the components"
"$bin/cyclonedx-py" environment --pyproject pyproject.toml --output-reproducible \
  --output-file "dist/gimmal-$version.cdx.json" "$work/venv/bin/python"

say "asking for known vulnerabilities of the dependencies"
audit=0
"$bin/python" scripts/audit.py "$work/requirements.txt" "dist/gimmal-$version.audit.json" || audit=$?

(cd dist && sha256sum -- * > SHA256SUMS && sha256sum --check --quiet SHA256SUMS)
ls -l dist | tail -n +2
case $audit in
  0) say "ok: everything is in dist/" ;;
  3) say "NOT COMPLETE: built, but no vulnerability service could be asked; run it again with network access"; exit 3 ;;
  *) say "FAILED: the audit found vulnerabilities, see above"; exit 1 ;;
esac
