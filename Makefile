# `make run` and `make test` are all a newcomer needs; `make help` lists the rest.
# Needs: Python 3.11 or newer, make, and the package registries. Node comes from a Python wheel.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
NPM := $(BIN)/python scripts/npm.py
STAMPS := .make
ARGS ?=

PAGE_SOURCES := $(shell find web/src web/public -type f 2>/dev/null) web/index.html web/vite.config.ts web/tsconfig.json

.PHONY: help run dev test check format bench openapi docs lock page screenshot clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(STAMPS)/package $(STAMPS)/page ## Install what is needed, build the page, start Alcove on http://127.0.0.1:3000
	$(BIN)/alcove up $(ARGS)

dev: $(STAMPS)/dev $(STAMPS)/node_modules ## Start the server and the page's development server with hot reload
	$(BIN)/python scripts/dev.py $(ARGS)

test: $(STAMPS)/dev $(STAMPS)/page ## Run every test: Python, page, and the whole walk in a browser
	$(BIN)/python scripts/chromium.py
	$(BIN)/python scripts/clients.py
	$(BIN)/python scripts/valkey.py
	$(BIN)/python scripts/registry.py
	$(NPM) run test
	$(BIN)/python -m pytest $(ARGS)

check: $(STAMPS)/dev $(STAMPS)/node_modules ## Format, lint, types, import directions, dependencies
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src
	$(NPM) run typecheck
	$(NPM) run lint
	$(BIN)/python scripts/openapi.py --check
	$(BIN)/python scripts/settings_reference.py --check

format: $(STAMPS)/dev ## Format the Python code and fix what can be fixed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(STAMPS)/dev $(STAMPS)/page ## Run the benchmarks and print their tables (docs/benchmarks.md)
	$(BIN)/python benchmarks/run.py $(ARGS)

openapi: $(STAMPS)/dev $(STAMPS)/node_modules ## Write docs/reference/openapi.json and the page's types from it
	$(BIN)/python scripts/openapi.py
	$(NPM) run types

docs: $(STAMPS)/dev ## Write the generated reference pages
	$(BIN)/python scripts/settings_reference.py
	$(BIN)/python scripts/openapi.py

page: $(STAMPS)/page ## Build the page into the package

screenshot: $(STAMPS)/dev $(STAMPS)/page ## Make the README's screenshots from a running server
	$(BIN)/python scripts/chromium.py
	$(BIN)/python scripts/screenshot.py

lock: $(STAMPS)/dev ## Make the lock files anew (newest versions that fit), without host names
	$(PIP) install uv
	$(BIN)/python scripts/lock.py

clean: ## Remove what the commands above made (never your data)
	rm -rf $(VENV) $(STAMPS) web/node_modules src/alcove/page dist

$(STAMPS)/venv:
	@mkdir -p $(STAMPS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Alcove needs Python 3.11 or newer; set PYTHON=python3.12, say." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(STAMPS)/package: $(STAMPS)/venv pyproject.toml requirements.lock requirements-build.lock
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --require-hashes --no-deps -r requirements-build.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/dev: $(STAMPS)/package requirements-dev.lock
	$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

$(STAMPS)/node_modules: $(STAMPS)/package web/package.json web/package-lock.json
	$(NPM) ci
	@touch $@

$(STAMPS)/page: $(STAMPS)/node_modules $(PAGE_SOURCES)
	$(NPM) run build
	@touch $@
