# Every command does its own set-up. Needed beforehand: make, and Python 3.11 or later with its venv module.
# Another interpreter: make PYTHON=python3.13 test. Further arguments of a command: make demo ARGS="--trace jobs.csv"

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
PROTOS := $(wildcard proto/standstill/v1/*.proto)
UV := uv==0.13.8

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export BUF_CACHE_DIR := $(CURDIR)/build/buf

.PHONY: help demo test check lint format bench proto lock clean
.DELETE_ON_ERROR:

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: .venv/ready  ## a pause on this machine: called, honored, cheated, caught
	$(BIN)/standstill demo $(ARGS)

test: .venv/ready  ## unit, property, scenario and socket tests
	$(BIN)/pytest -n 2 $(ARGS)

check: .venv/ready lint  ## layout, linters and types; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/buf format --diff --exit-code
	$(BIN)/mypy

lint: .venv/ready  ## the linters of check alone
	$(BIN)/ruff check .
	$(BIN)/buf lint

format: .venv/ready  ## lay out code and .proto files, mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format --write

bench: .venv/bench  ## measure against bare primitives and peers, on this machine
	$(BIN)/python -m bench $(ARGS)

proto: .venv/locked  ## regenerate code from proto/ without installing again
	$(BIN)/python hatch_build.py

# One universal resolution for every platform, by version and hash; no address of any index goes into it.
LOCK := compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet
lock:  ## resolve the dependencies anew (an entry that still fits stays; ARGS=--upgrade moves all)
	$(PYTHON) -m venv build/uv
	build/uv/bin/pip install --quiet $(UV)
	build/uv/bin/uv pip $(LOCK) $(ARGS) pyproject.toml --extra postgres --group dev -o requirements.lock
	build/uv/bin/uv pip $(LOCK) $(ARGS) --group pyproject.toml:bench -c requirements.lock -o bench/requirements.lock

clean:  ## remove everything that make has made
	rm -rf .venv build dist demo-out bench-out .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f proto/standstill/v1/*_pb2.py proto/standstill/v1/*_pb2.pyi
	rm -f proto/standstill/v1/*_pb2_grpc.py proto/standstill/v1/*_pb2_grpc.pyi

# Stamps are touched last, so an install that failed or was cut short is done again. The environment starts empty each
# time: pip takes a package that it half wrote for an installed one, and one that left the lock would linger.
.venv/locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed. If it has another name: make PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "This Python lacks its venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	touch $@

# The locked tools build the package, so that the generated code fits the locked runtime.
.venv/ready: .venv/locked pyproject.toml hatch_build.py $(PROTOS)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# pymerkle, a peer to measure against, is GPL: installed for benchmarks only, imported by bench/ only.
.venv/bench: .venv/ready bench/requirements.lock
	$(BIN)/pip install --quiet --require-hashes -r bench/requirements.lock
	touch $@
