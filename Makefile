# Everything a contributor runs. `make` alone lists the targets.
#
# PYTHON   the interpreter (3.11 or newer) that the virtual environment is made from
# ARGS     further arguments for pytest, e.g. make test ARGS="tests/nodes -k bulk"

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

export DVC_NO_ANALYTICS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help venv demo examples test slow extensive queues check format bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## install everything into .venv, in the versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@echo "==> Installing into $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python must be 3.11 or newer, received $$($(PYTHON) --version); set PYTHON=..."; exit 1; }
	@# Debian ships Python without ensurepip: there the interpreter's own pip fills the environment.
	@if [ ! -x $(BIN)/python ]; then \
		if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
		else $(PYTHON) -m venv --without-pip $(VENV); fi; \
	fi
	@if $(BIN)/python -c 'import pip' 2>/dev/null; then pip="$(BIN)/python -m pip"; \
		else pip="$(PYTHON) -m pip --python $(BIN)/python"; fi; \
		$$pip install --quiet -c constraints.txt pip hatchling editables
	@echo "==> Installing zn-pipeline and its dependencies (about 190 packages, 2 to 3 minutes) ..."
	@$(BIN)/python -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@
	@echo "==> $(VENV) is ready."

demo: venv ## run the example campaign from end to end
	@echo "==> Running examples/campaign/run.py ..."
	@$(BIN)/python examples/campaign/run.py

examples: venv ## run every numbered example in a fresh project and check what it prints
	@echo "==> Running the examples ..."
	@$(BIN)/python -m pytest tests/examples/test_examples.py -n 2 -k prints_what_it_promises $(ARGS)

test: venv ## run the fast tests
	@echo "==> Running the fast tests ..."
	@$(BIN)/python -m pytest -m "not slow and not extensive" -n 2 --dist loadfile $(ARGS)

slow: venv ## run the tests against real components and the long ones
	@echo "==> Running the slow tests ..."
	@$(BIN)/python -m pytest -m "slow and not (extensive or slurm or sge or ssh)" -n 2 $(ARGS)

extensive: venv ## run every case of the tests that CI samples
	@echo "==> Running the extensive tests ..."
	@$(BIN)/python -m pytest -m extensive -n 2 $(ARGS)

queues: venv ## run the tests on the queues that run here, see .ci/queues
	@echo "==> Running the tests on queues ..."
	@$(BIN)/python -m pytest -m "slurm or sge or ssh" $(ARGS)

check: venv ## lint, formatting, types and the direction of imports
	@echo "==> ruff check";          $(BIN)/ruff check .
	@echo "==> ruff format --check"; $(BIN)/ruff format --check .
	@echo "==> pyright";             PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright
	@echo "==> lint-imports";        $(BIN)/lint-imports

format: venv ## format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: venv ## measure; results go to benchmarks/results
	@echo "==> Running the benchmarks ..."
	@$(BIN)/python benchmarks/run.py

clean: ## remove caches and build products (keeps .venv)
	@rm -rf build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find zn_pipeline nodes examples tests -name __pycache__ -type d -prune -exec rm -rf {} +
