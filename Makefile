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
# Test processes; 0 runs the suite in one, for a debugger.
WORKERS ?= auto

.PHONY: help setup
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv from the hashed lock file (PYTHON=… picks the interpreter)

# Once, and again when the lock file, the package's metadata or the asked-for interpreter changes.
ifneq ($(PYTHON),)
ifneq ($(PYTHON),$(shell cat $(VENV)/.made-with 2>/dev/null))
$(STAMP): again
.PHONY: again
again: ;
endif
endif

$(STAMP): requirements.lock pyproject.toml
	@if { [ -z "$(PYTHON)" ] || [ "$(PYTHON)" = "$$(cat $(VENV)/.made-with 2>/dev/null)" ]; } && $(BIN)/python -c 'import pip' 2>/dev/null; then \
	  echo "setup: bringing $(VENV) up to the lock file"; \
	else \
	  python="$$(PYTHON='$(PYTHON)' sh tools/find_python.sh)"; \
	  echo "setup: creating $(VENV) with $$python"; \
	  "$$python" -m venv --clear $(VENV); \
	  echo "$(PYTHON)" > $(VENV)/.made-with; \
	fi
	@echo "setup: installing what requirements.lock pins (about a minute)"
	@$(BIN)/python -m pip install --progress-bar off --disable-pip-version-check --require-hashes -r requirements.lock \
	  | $(BIN)/python tools/setup_progress.py requirements.lock
	@echo "setup: installing Dolphin itself"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
	@echo "setup: done"

.PHONY: run test lint tlc tlc-long prove pythons bench coverage scenarios traces requirements lock clean ci
run: $(STAMP) ## the main job: twenty years, guarded and not, audited (ARGS="--help" for more)
	@$(BIN)/dolphin run $(ARGS)

test: $(STAMP) ## the whole test suite (ARGS="-k name" for a part)
	@DOLPHIN_CONTRACTS=1 $(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

lint: $(STAMP) ## ruff, mypy strict, the levels, one condition per decision, house rules
	@failed=; \
	for check in "ruff check --quiet --output-format concise ." "ruff format --check --output-format concise ." mypy "lint-imports --no-logo" \
	    "python -m tools.mcdc_lint" "python -m tools.house_lint"; do \
	  echo "-- $$check"; $(BIN)/$$check || failed="$$failed [$$check]"; \
	done; \
	if [ -n "$$failed" ]; then echo "lint: failed:$$failed" >&2; exit 1; fi

tlc: $(STAMP) ## check every TLA+ model and reject every flawed variant
	@$(BIN)/python -m tools.tlc $(ARGS)

tlc-long: $(STAMP) ## the models that take many minutes
	@$(BIN)/python -m tools.tlc --long $(ARGS)

prove: $(STAMP) ## CrossHair: every kernel function confirmed over all paths, or listed as composed
	@$(BIN)/python -m tools.prove $(ARGS)

pythons: $(STAMP) ## determinism: the same journals folded by every Python found (3.12, 3.13, 3.14)
	@$(BIN)/python -m tools.pythons $(ARGS)

bench: $(STAMP) ## ratios and latencies of this machine
	@$(BIN)/python -m benchmarks $(ARGS)

# Raise this when docs/assurance/nautilus-coverage.md, which lists what is missing, gets shorter.
NAUTILUS_COVERAGE := 96.5
COVERED := kernel journal nautilus

coverage: $(STAMP) ## the test suite with its branch coverage: 100 % of kernel and journal, the ratchet of nautilus
	@DOLPHIN_CONTRACTS=1 $(BIN)/python -m pytest -n $(WORKERS) $(COVERED:%=--cov=src/dolphin/%) --cov-report= --cov-fail-under=0 $(ARGS)
	@$(BIN)/coverage report --include='src/dolphin/kernel/*,src/dolphin/journal/*'
	@$(BIN)/coverage report --include='src/dolphin/nautilus/*' --fail-under=$(NAUTILUS_COVERAGE)

.PHONY: tiers
PACKAGES := $(COVERED) sensors limits audit watchdog app
tiers: $(STAMP) ## the suite with the coverage of every package, then the report by assurance level
	@DOLPHIN_CONTRACTS=1 $(BIN)/python -m pytest -n $(WORKERS) $(PACKAGES:%=--cov=src/dolphin/%) --cov-report= --cov-fail-under=0
	@$(BIN)/python -m tools.tiers $(ARGS)

scenarios: $(STAMP) ## famous failures as data, run: one line each (ARGS="S3 --seen" for one, with all that was seen)
	@$(BIN)/python -m tools.scenarios $(ARGS)

.PHONY: live crash
live: $(STAMP) ## the live scenarios, on a loopback exchange: one line each (ARGS="S9 --seen" for one)
	@$(BIN)/python -W ignore -m tests.live.judge $(ARGS)

crash: $(STAMP) ## SIGKILL at every journalled step of kill, flatten and re-arm, and a restart on the same exchange (6 min)
	@$(BIN)/python -W ignore -m tests.live.crash $(ARGS)

traces: $(STAMP) ## write traces/ anew: the journal of each scenario with its verdict (ARGS=--check says what is stale)
	@$(BIN)/python -m tools.scenarios.traces $(ARGS)

requirements: $(STAMP) ## requirements.toml against tests, contracts and models (ARGS="--matrix" or "--strict")
	@$(BIN)/python -m tools.requirements_check $(ARGS)

lock: $(STAMP) ## pin the newest allowed versions, with hashes, in requirements.lock
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.12 --extra dev --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --output-file requirements.lock pyproject.toml

.PHONY: holes fuzz
holes: $(STAMP) ## the holes of plain Nautilus, with and without Dolphin, held to what is pinned
	@$(BIN)/python -W ignore -m tools.holes $(ARGS)

fuzz: $(STAMP) ## a million random commands through a real engine (ARGS="--help"); goes on where it stopped
	@$(BIN)/python -W ignore -m tools.fuzz $(ARGS)

ci: ## what must hold before a change lands
	@.ci/run

clean: ## remove the environment, caches and outputs of runs
	@rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov out build dist
	@find src tools tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
