# Targets: demo, test, check; each sets up .venv first when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
.DEFAULT_GOAL := help
.PHONY: help demo test check clean

help:
	@echo "make demo   judge a good canary of the demo application under an injected fault"
	@echo "make test   all tests"
	@echo "make check  lint, types and import contracts"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed, found " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/harness demo

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Whole runs measure latencies, so they come last and alone.
test: $(STAMP) check
	$(BIN)/pytest -q -n 2 --dist loadfile --ignore=tests/runs
	$(BIN)/pytest -q tests/runs

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
