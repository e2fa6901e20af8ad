# Every target that needs Python depends on the stamp, so each one can be the first that is called on a fresh machine.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
# The rest of what was typed after `make run ARGS="…"` or `make test ARGS="…"`.
ARGS ?=

.PHONY: help setup
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv from the hashed lock file (PYTHON=… picks the interpreter)

# Once, and again when the lock file or the package's metadata changes.
$(STAMP): requirements.lock pyproject.toml tools/find_python.sh
	@python="$$(PYTHON='$(PYTHON)' sh tools/find_python.sh)"; \
	if [ -x $(BIN)/python ] && $(BIN)/python -c 'import sys, pip' 2>/dev/null && [ -z "$(PYTHON)" ]; then \
	  echo "setup: bringing $(VENV) up to the lock file"; \
	else \
	  echo "setup: creating $(VENV) with $$python"; \
	  "$$python" -m venv --clear $(VENV); \
	fi
	@echo "setup: installing what requirements.lock pins (about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
	@echo "setup: done"
