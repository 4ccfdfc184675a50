# Everything a newcomer needs: `make run` shows Awry at work, `make test` proves it. `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# The first Python 3.11 or newer on the path; override with `make PYTHON=/path/to/python3 ...`.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check --quiet install -c constraints.txt
PYTEST := $(VENV)/bin/python -m pytest
WORKERS ?= 2
ARGS ?=

.PHONY: help install run check lint kernels clean-kernels test test-long docs docs-serve bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "cannot install: no Python 3.11 or newer found; install it, or say where it is: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "cannot make $(VENV): on Debian and Ubuntu run 'apt-get install python3-venv'" >&2; rm -rf $(VENV); exit 1; }

# What running needs.
$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@if [ ! -e $(VENV)/.dev ]; then echo "installing Awry into $(VENV) (a minute or two)"; $(PIP) -e .; fi
	@touch $@

# What tests and benches need as well.
$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing Awry and what its tests need into $(VENV) (a few minutes)"
	@$(PIP) -e '.[dev]'
	@touch $(VENV)/.run $@

install: kernels ## install into .venv everything that tests and benches need

run: $(VENV)/.run ## watch this machine and a replay of real metrics; prints the dashboard's address
	@$(VENV)/bin/awry demo $(ARGS)

lint: $(VENV)/.dev ## ruff and mypy only
	@$(VENV)/bin/ruff check src tests benchmarks scripts
	@$(VENV)/bin/ruff format --check --quiet src tests benchmarks scripts
	@$(VENV)/bin/mypy

# Before tests: two workers would compile the same kernels at the same time.
kernels: $(VENV)/.dev
	@$(VENV)/bin/python -c 'from awry.cli.serve import compile_kernels; compile_kernels()'

# worksteal: a worker takes files in their order, so that what the tests of a file share is made once, and helps the other at the end.
check: lint kernels ## the fast subset: ruff, mypy, docs tests, fast tests
	@$(PYTEST) -q -n $(WORKERS) --dist worksteal -m "not slow and not long and not browser" $(ARGS)

test: kernels ## the whole suite but the minutes-long tests
	@$(PYTEST) -q -n $(WORKERS) --dist worksteal -m "not long" $(ARGS)

test-long: kernels ## chaos, tutorials, slow peers
	@$(PYTEST) -q -n $(WORKERS) --dist worksteal -m "long" $(ARGS)

docs: $(VENV)/.dev ## build the documentation into site/
	@$(VENV)/bin/python scripts/generate_docs.py
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

docs-serve: $(VENV)/.dev ## read the documentation while you write it
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs serve

bench: $(VENV)/.dev ## end-to-end speed on this machine; see benchmarks/README.md for the others
	@$(VENV)/bin/python -m benchmarks.end_to_end

clean-kernels: ## remove the compiled kernels (an edit of a source with kernels does so by itself)
	@find src -name '*.nb[ci]' -delete

clean: clean-kernels ## remove what was built, the virtual environment too
	@rm -rf $(VENV) site dist build .mypy_cache .ruff_cache .hypothesis .schemathesis
