# Needs git, make and Python 3.11 or newer with venv; everything else is installed into .venv.
# To choose the interpreter: make PYTHON=/path/to/python3.12 test

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
CANDIDATES = $(or $(PYTHON),python3.11 python3 python3.12 python3.13 python3.14)
SEED ?= 0

# These two files record what is installed; they are older than their inputs when an install is due.
DEMO_READY := $(VENV)/.demo-ready
DEV_READY := $(VENV)/.dev-ready

export PIP_DISABLE_PIP_VERSION_CHECK ?= 1
export PIP_QUIET ?= 1
export PIP_ROOT_USER_ACTION ?= ignore
export PYRIGHT_PYTHON_IGNORE_WARNINGS ?= 1

.PHONY: help demo test check fix bench clean

help: ## Say what each target does
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

demo: $(DEMO_READY) ## Train Pistonball prompts with the built-in engine (SEED=0): no key, no network
	$(BIN)/python src/train_pistonball.py --exp_name demo --seed $(SEED) --overwrite --policy_path experiments/demo/policy.json

test: $(DEV_READY) ## Run the tests (PYTEST_ARGS="-k name" narrows)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(DEV_READY) ## Check format, lint, types and the direction of imports
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports

fix: $(DEV_READY) ## Format, and repair what the linter can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(DEV_READY) ## Measure: the graph, the environment, the demo over seeds
	$(BIN)/python benchmarks/graph_overhead.py
	$(BIN)/python benchmarks/pistonball_speed.py
	$(BIN)/python benchmarks/demo_seeds.py

clean: ## Remove the environment, caches and built files (never experiments/ or policies/)
	rm -rf $(VENV) build dist .coverage htmlcov .hypothesis .pytest_cache .ruff_cache .import_linter_cache
	find src tests benchmarks docs -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(DEMO_READY): pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing what the demo needs into $(VENV) ..."
	@$(BIN)/python -m pip install -c constraints.txt -e ".[demo]"
	@touch $@

# What the tests need includes what the demo needs, so this marks both.
$(DEV_READY): pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing what the tests need into $(VENV) (the first time takes a few minutes) ..."
	@$(BIN)/python -m pip install -c constraints.txt -e ".[dev]"
	@touch $(DEMO_READY) $@

$(BIN)/pip:
	@for python in $(CANDIDATES); do \
		if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Creating $(VENV) with $$("$$python" --version)"; \
			exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo "textgrad-agents needs Python 3.11 or newer with its venv module. Tried:" >&2; \
	for python in $(CANDIDATES); do echo "  $$python: $$("$$python" --version 2>&1 | head -1 || true)" >&2; done; \
	echo "Install one, or name it: make PYTHON=/path/to/python3.11 ..." >&2; \
	exit 1
