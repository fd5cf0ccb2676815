# Each target sets up .venv first when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
.DEFAULT_GOAL := help
# Images of containers often set it. Then each of the thousands of processes that tests start would compile every module.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo quick check test soak test-shared-data coverage wheel clean

help:
	@echo "make demo   judge a good canary of the demo application under an injected fault"
	@echo "make release  release a canary of the demo step by step on this machine; CANARY=fragile or marginal"
	@echo "make quick  lint, types, import contracts and unit tests, in less than a minute"
	@echo "make check  lint, types and import contracts"
	@echo "make test   all tests except those of make test-slow, make wheel and make test-shared-data; before a change is sent: make check test"
	@echo "make test-slow   tests of some minutes that make test leaves out, because cheaper ones hold most of what they show"
	@echo "make soak   kill 1,000 runs and repeat scenarios for an hour; KILLS=N MINUTES=M for less; takes hours"
	@echo "make soak-release  kill releases: 200 on a fake cluster, 40 here while users send requests (RELEASE_KILLS=N)"
	@echo "make test-shared-data HARNESS_TEST_DATA=FOLDER   tests over files that Istio and Kayenta publish"
	@echo "make fuzz   many hostile inputs for every reader, HARNESS_FUZZ_EXAMPLES=20000 for each target"
	@echo "make coverage  which lines and branches the tests reach; tests/runs is left out"
	@echo "make pipelines-check   check pipelines/ and deploy/ with the linters and schemas of the tools that read them"
	@echo "make image-check  build the image with buildah and run it; apt-get install buildah mmdebstrap, as root"
	@echo "make docs   build the documentation in build/docs, with pictures of a run that it makes"
	@echo "make wheel  build the wheel and test it in an empty environment"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed, found " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/harness demo || { code=$$?; case $$code in \
	  1) echo "make demo: the canary failed, exit code 1";; \
	  10|11) echo "make demo: the run decided nothing; the line that begins with next says what to do, exit code $$code";; \
	  *) echo "make demo: no verdict; the message above says why, exit code $$code";; esac; exit $$code; }

CANARY ?= good
.PHONY: release
release: $(STAMP)
	@$(BIN)/harness demo --release --canary $(CANARY)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

quick: $(STAMP)
	$(MAKE) --no-print-directory --jobs 2 check quick-tests

.PHONY: quick-tests
quick-tests: $(STAMP)
	$(BIN)/pytest -q -n 2 --dist loadfile tests/unit tests/packaging

# Most tests wait more than they compute, so five at a time suit two cores. tests/conftest.py orders the files, and xdist
# must not order them by the number of their tests. Tests that judge latencies of whole runs come last, and nothing else
# runs at the same time; they are all in tests/runs, so nothing else is collected for them.
PYTEST_OPTIONS ?=
test: $(STAMP)
	$(BIN)/pytest -q -n 5 --dist loadfile --no-loadscope-reorder -m "not alone and not slow" $(PYTEST_OPTIONS)
	$(BIN)/pytest -q -p no:hypothesispytest -m "alone and not slow" $(PYTEST_OPTIONS) tests/runs

# Those that are marked lengthy too take many minutes each, or have a target of their own, as those of the wheel.
.PHONY: test-slow
test-slow: $(STAMP)
	$(BIN)/pytest -q -p no:hypothesispytest -m "slow and not lengthy" --durations=5 $(PYTEST_OPTIONS)

# Inputs differ from run to run; make test gives each reader a few that are always the same.
HARNESS_FUZZ_EXAMPLES ?= 20000
.PHONY: fuzz
fuzz: $(STAMP)
	HARNESS_FUZZ_EXAMPLES=$(HARNESS_FUZZ_EXAMPLES) nice -n 19 $(BIN)/pytest -q --timeout=0 tests/fuzz

# tests/cluster/test_release_kills.py and tests/runs/test_release.py are the short forms of it.
.PHONY: soak-release
soak-release: $(STAMP)
	$(BIN)/python benchmarks/soak_release_cluster.py
	$(BIN)/python benchmarks/soak_release.py --kills $(or $(RELEASE_KILLS),40)

# tests/runs/test_soak.py is the short form of it.
KILLS ?= 1000
MINUTES ?= 60
soak: $(STAMP)
	$(BIN)/python benchmarks/soak.py --kills $(KILLS) --minutes $(MINUTES)

# Whole runs are left out: measuring them would make the harness slower than the services it measures. The report is
# made after a failed test too.
coverage: $(STAMP)
	rm -rf build/coverage
	mkdir -p build/coverage
	code=0; $(BIN)/coverage run -m pytest -q -n 2 --dist loadfile --ignore=tests/runs || code=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage html --quiet && $(BIN)/coverage report && exit $$code

# The wheel that is tested is the one in dist/, so a release publishes what was tested.
wheel: $(STAMP)
	rm -rf dist build/lib build/bdist.*
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	HARNESS_TEST_WHEEL="$$(echo $(CURDIR)/dist/*.whl)" $(BIN)/pytest -q tests/runs/test_wheel.py

# The tools come from package registries once and stay in the clone; a tool that is missing fails the target.
PIPELINE_TOOLS := $(VENV)/.pipeline-tools
NPM_FOLDERS := tests_pipelines/npm pipelines/brigade
$(PIPELINE_TOOLS): $(STAMP) $(NPM_FOLDERS:%=%/package-lock.json)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,pipelines]'
	for folder in $(NPM_FOLDERS); do npm ci --silent --no-audit --no-fund --prefix $$folder || exit; done
	@touch $@

.PHONY: pipelines-check
pipelines-check: $(PIPELINE_TOOLS)
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" tests_pipelines

# Builds the image for real; takes minutes, and needs root, buildah and mmdebstrap.
.PHONY: image-check
image-check: $(PIPELINE_TOOLS)
	$(BIN)/pytest -q -m slow --durations=3 tests_pipelines/test_image.py

.PHONY: docs
docs: $(STAMP)
	$(BIN)/python docs/screenshots.py
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs
	@echo "build/docs/index.html"

# The files are not part of the repository; without the folder this ends as wrong usage.
test-shared-data: $(STAMP)
	HARNESS_TEST_DATA="$(HARNESS_TEST_DATA)" $(BIN)/pytest -q tests_shared_data

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
