# make run · demo · demo-follow · devnode · devnet · test · test-engines · test-chains · check · bench · engines · chains · fmt · lock · proto · manual
# Everything runs in a virtual environment of its own, made at the first call.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
# What protoc writes stays as it writes it.
BLACK := $(BIN)/black --extend-exclude '_pb2\.pyi?$$'
LOCK := scripts/constraints.txt
SOURCES := trio_stream scripts tests
ARGS ?=
# Tests run on two processors; those that share engines, drivers or the machine's time run one by one.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadgroup
# Each process that a test starts would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run demo demo-follow devnode devnet test test-engines test-chains check bench engines chains fmt lock proto manual clean
.DEFAULT_GOAL := run

run: $(VENV)/.run
	@$(BIN)/python -m trio_stream run $(ARGS)

demo: $(VENV)/.run
	@$(BIN)/python -m scripts.demo $(ARGS)

demo-follow: $(VENV)/.run
	@$(BIN)/python -m scripts.demo_follow $(ARGS)

devnode: $(VENV)/.run
	@$(BIN)/python -m scripts.devnode $(ARGS)

devnet: $(VENV)/.run
	@$(BIN)/python -m scripts.devnet $(ARGS)

engines: $(VENV)/.run
	@$(BIN)/python -m scripts.engines.build $(ARGS)

chains: $(VENV)/.run
	@$(BIN)/python -m scripts.chains.build $(ARGS)

test: $(VENV)/.dev
	$(PYTEST) $(ARGS)

test-engines: $(VENV)/.dev
	ENGINES=all $(BIN)/python -m pytest tests/engines tests/chains tests/interop $(ARGS)

test-chains: $(VENV)/.dev
	$(BIN)/python -m scripts.chains.build
	CHAINS=all $(BIN)/python -m pytest tests/chains $(ARGS)

check: $(VENV)/.dev
	$(BLACK) --check --quiet $(SOURCES)
	$(BIN)/isort --check-only --quiet $(SOURCES)
	$(BIN)/flake8 $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports
	$(PYTEST) --cov --cov-report=term $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python -m scripts.bench.validate
	$(BIN)/python -m scripts.bench.commit
	$(BIN)/python -m scripts.bench.fanout
	$(BIN)/python -m scripts.bench.chain

fmt: $(VENV)/.dev
	$(BIN)/isort --quiet $(SOURCES)
	$(BLACK) --quiet $(SOURCES)

# The newest versions that setup.cfg allows, for every Python and platform at once.
lock: $(VENV)/.dev
	$(PIP) install uv
	$(BIN)/uv pip compile setup.cfg --extra server --extra dev --universal --python-version 3.11 \
		--upgrade --no-header --no-annotate --quiet -o $(LOCK)

proto: $(VENV)/.dev
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. \
		trio_stream/abci/abci.proto

# Tables that follow from the code.
manual: $(VENV)/.run
	@$(BIN)/python -m scripts.manual_tables

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .import_linter_cache

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=..." >&2; exit 1; }
	@echo "making the virtual environment $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: setup.cfg $(LOCK) | $(VENV)/bin/python
	@echo "installing trio_stream and what it needs into $(VENV)"
	@$(PIP) install -c $(LOCK) -e '.[server]'
	@touch $@

$(VENV)/.dev: setup.cfg $(LOCK) | $(VENV)/bin/python
	@echo "installing trio_stream and its development tools into $(VENV)"
	@$(PIP) install -c $(LOCK) -e '.[server,dev]'
	@touch $@ $(VENV)/.run
