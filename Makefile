# Every target works alone on a fresh clone: it makes .venv and installs what it needs, once.

VENV := .venv
BIN := $(VENV)/bin
PINS := tests/constraints.txt
SHELF := .demo/shelf
CLIP := tests/audio/demo.flac

# The first Python from 3.11 to 3.13 that answers.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$python && break; done)
PIP := PIP_CONSTRAINT=$(PINS) $(BIN)/python -m pip --disable-pip-version-check --quiet install

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench clean

help: ## Say what there is.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-8s %s\n", $$1, $$2}'

demo: $(VENV)/.demo ## Show the shelf, fetch a real model, and extract features from real audio.
	@tests/demo.sh $(BIN) $(SHELF) $(CLIP)

test: $(VENV)/.dev ## Run every test.
	@$(BIN)/pytest $(TESTS)

lint: $(VENV)/.dev ## Check style and types.
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(VENV)/.dev ## Put code and generated files in order.
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format . && $(BIN)/python tests/regenerate.py

bench: $(VENV)/.dev ## Measure start-up, pairwise in one run.
	@$(BIN)/python tests/benchmarks/startup.py

clean: ## Remove what was installed and made.
	rm -rf $(VENV) .demo

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; name one with make PYTHON=..." >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)" && $(PYTHON) -m venv $(VENV)

# The demo does without torch where pip would take the CUDA build: nearly 3 GB for a first look.
$(VENV)/.demo: $(VENV)/pyvenv.cfg pyproject.toml $(PINS)
	@echo "installing modelctl and what the demo's models need"
	@$(PIP) --editable '.[audio]' && $(BIN)/python -m compileall -q modelctl
	@if PIP_CONSTRAINT=$(PINS) $(BIN)/python tests/torch_is_light.py; then $(PIP) torch safetensors; fi
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "installing what the tests need"
	@$(PIP) --editable '.[audio,torch,dev]' && touch $@
