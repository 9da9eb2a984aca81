# make demo: see it work. make test: see that it is right. make stop: end what the demo started.

VENV := .venv
BIN := $(VENV)/bin
PYTHONS := python3.11 python3.12 python3.13 python3
# Test processes at the same time. Those that need a Prefect server are in two groups, each in one process.
JOBS ?= 4
PYTEST := $(BIN)/python -m pytest

# A test run starts hundreds of Pythons. Each keeps what it has compiled for the next one, whatever the surroundings say.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo demo-kubernetes stop test test-all lint chaos fuzz bench

help:
	@echo "make demo      a small shop is released four times, twice badly: see what happens (about three minutes)"
	@echo "make demo-kubernetes  the same on the current context's cluster, in a namespace of its own that is removed"
	@echo "make stop      end everything that the demo started"
	@echo "make test      the tests, and one story of each kind; what needs Docker, Chromium or Kubernetes is skipped, with a reason, where there is none"
	@echo "make test-all  all stories as well, as CI does"
	@echo "make lint      formatting, lint, types, and which room may import which"
	@echo "make chaos     kill and fail a release at every action"
	@echo "make fuzz      Atheris looks for answers that a parser does not survive (SECONDS=60 each; Linux)"
	@echo "make bench     time and downtime beside the same commands in a shell script"
	@echo "make setup     the virtual environment in $(VENV), from requirements.lock (all of the above do it first)"

# Done again only when the locked requirements, the project's metadata or the place of this checkout have changed.
setup:
	@{ pwd; cat requirements.lock pyproject.toml; } | cmp -s - $(VENV)/installed && [ -x $(BIN)/python ] && exit 0; \
	python=; for name in $(PYTHONS); do \
	  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && python=$$name && break; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Runwright needs Python 3.11 or newer, and there is none on PATH (looked for: $(PYTHONS))." >&2; \
	  echo "Install it (Debian, Ubuntu: apt install python3.11 python3.11-venv; macOS: brew install python@3.11), then run make again." >&2; \
	  exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$($$python --version): once, for two or three minutes." >&2; \
	set -e; \
	rm -f $(VENV)/installed; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $$python -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .; \
	{ pwd; cat requirements.lock pyproject.toml; } > $(VENV)/installed

demo: setup
	@$(BIN)/python -m examples.demo

demo-kubernetes: setup
	@$(BIN)/python -m examples.demo kubernetes

stop:
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m examples.demo stop

test: setup
	$(PYTEST) -n $(JOBS) -m "not story"

test-all: setup
	$(PYTEST) -n $(JOBS)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: setup
	RUNWRIGHT_CHAOS=all $(PYTEST) -n $(JOBS) tests/chaos tests/conformance tests/e2e tests/integration
	RUNWRIGHT_CHAOS=all $(PYTEST) -n $(JOBS) -m hypothesis tests/unit

SECONDS ?= 60
fuzz: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	$(BIN)/python -m tests.fuzz $(SECONDS)

bench: setup
	$(BIN)/python -m bench
