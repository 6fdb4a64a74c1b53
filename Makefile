# gimmal's commands. `make demo` and `make test` set up everything they need.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup lab data format check test demo campaign bench faults paths release clean

help: ## list these commands
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.stamp ## build .venv with .venv/bin/gimmal

$(VENV)/.stamp: pyproject.toml uv.lock scripts/setup.sh scripts/lab.sh scripts/mount.sh
	@PYTHON=$(PYTHON) sh scripts/setup.sh
	@sh scripts/lab.sh
	@sh scripts/mount.sh
	@touch $@

format: setup ## rewrite the code in the house format
	$(BIN)/ruff format src tests bench scripts
	$(BIN)/ruff check --fix src tests bench scripts

check: setup ## format, lint, types and import contracts, changing nothing
	$(BIN)/ruff format --check -q src tests bench scripts
	$(BIN)/ruff check -q src tests bench scripts
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

lab: ## system packages of the network laboratory (tests/lab) and of other tests, where root
	@sh scripts/lab.sh
	@sh scripts/players.sh
	@sh scripts/programs.sh
	@sh scripts/dav.sh

data: setup ## libraries that the tests of gimmal:// read and write through
	@VIRTUAL_ENV="$$PWD/$(VENV)" $(BIN)/uv sync -q --locked --active --inexact --group data

test: check lab data ## every check and every test, long ones on a small fixed sample
	$(BIN)/python -m pytest -n 3 -p randomly -rs

demo: setup ## the main job on real files: join, plug in, list, copy both ways, unplug
	$(BIN)/python scripts/demo.py

campaign: setup ## the full counts, reported in docs/campaign.md
	$(BIN)/python scripts/campaign.py

bench: setup ## the figures of docs/benchmarks.md, beside scp, rsync and other peers
	@VIRTUAL_ENV="$$PWD/$(VENV)" $(BIN)/uv sync -q --locked --active --inexact --group bench
	$(BIN)/python -m bench

faults: setup ## copies of trees hit at 200 random points, reported in docs/faults.md
	$(BIN)/python -m bench.faults

paths: setup lab ## a pair plugged in at every two kinds of networks, reported in docs/paths.md
	$(BIN)/python scripts/paths.py

release: setup ## wheel, sdist, checksums, SBOM, audit of the dependencies
	sh scripts/release.sh

clean: ## remove what the commands above made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache
