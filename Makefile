# Every job of this repository is one target. `make help` lists them.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,13))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
UV := $(BIN)/uv
KERNELS := $(wildcard src/fairlead/runtime/*/_*.[ch])
FIND := $(if $(PIP_FIND_LINKS),--find-links "$(PIP_FIND_LINKS)",)
export OMP_NUM_THREADS ?= 1

# What only KServe's server needs; its clients, which the tests install in .venv-clients-kserve, do without.
KSERVE_SERVER := uvloop httptools websockets aiohttp aiohttp-retry aiosignal frozenlist multidict propcache yarl aiohappyeyeballs attrs pillow grpcio-tools setuptools cryptography cffi pycparser pyjwt pyasn1 python-dotenv

.DEFAULT_GOAL := help
.PHONY: help demo test test-deps test-long lint types imports docs proto bench lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */|/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/.uv: requirements/uv.txt
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found."; exit 2; }
	@echo "==> making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.venv/.studio: .venv/.uv requirements/studio.txt pyproject.toml hatch_build.py $(KERNELS)
	@echo "==> installing Fairlead and what it needs into .venv (about 650 MB; a minute or two the first time)"
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python $(FIND) --require-hashes -r requirements/studio.txt
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python $(FIND) --require-hashes -r requirements/build.txt
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.studio requirements/dev.txt
	@echo "==> installing what the tests need into .venv (up to a minute)"
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python $(FIND) --require-hashes -r requirements/dev.txt
	@touch $@

demo: .venv/.studio  ## the whole story on one machine, about a minute (installs first: a minute or two, once)
	@$(BIN)/fairlead demo

test: .venv/.dev lint types imports  ## lint, types, import contracts, tests: under 20 minutes on 2 cores
	@echo "==> tests (some minutes)"
	@$(BIN)/python -m pytest -n 2 --dist loadfile --hypothesis-profile same -m "not long" tests

.venv/.long: .venv/.dev requirements/long.txt
	@echo "==> installing what the long tests need into .venv (Spark, brokers' clients, MLflow's server: about 1.5 GB)"
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python $(FIND) --require-hashes -r requirements/long.txt
	@touch $@

test-deps: .venv/.long  ## what the long tests need: packages of PyPI, and of Debian and npm where this machine has them
	@sh tests/test_deps.sh

test-long: test-deps  ## everything, the long simulations and the lowest dependencies too: hours; writes docs/reference/verified.md
	@$(BIN)/python -m pytest -n 2 --dist loadfile --verified tests
	@$(BIN)/python -m tests.docs.generate
	@sh tests/lowest.sh

lint: .venv/.dev  ## style (ruff)
	@echo "==> lint"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .

types: .venv/.dev  ## types (mypy)
	@echo "==> types (half a minute)"
	@$(BIN)/mypy --no-error-summary

imports: .venv/.dev  ## import contracts (import-linter)
	@echo "==> import contracts"
	@$(BIN)/lint-imports > .venv/imports.log 2>&1 || { cat .venv/imports.log; exit 1; }

proto: .venv/.dev  ## compile the gRPC interfaces
	@$(BIN)/python tests/unit/serve/grpc_door/compile_interfaces.py

docs: .venv/.dev  ## regenerate docs/reference from the program
	@$(BIN)/python -m tests.docs.generate

bench: .venv/.dev  ## every benchmark, results to benchmarks/results; one alone: python -m benchmarks NAME
	@$(BIN)/python -m benchmarks

lock: .venv/.uv  ## resolve pyproject.toml anew into requirements/
	@$(UV) pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra studio --extra drift --extra grpc --extra telemetry --extra boosting --extra skops --extra postgres --extra clouds --extra explain --extra fairness --extra robust --extra dev pyproject.toml -o requirements/dev.txt
	@$(UV) pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra studio -c requirements/dev.txt pyproject.toml -o requirements/studio.txt
	@$(UV) pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra spark --extra streams --extra azure --extra gcp --extra kubeflow --extra long -c requirements/dev.txt pyproject.toml -o requirements/long.txt
	@$(UV) pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -c requirements/dev.txt pyproject.toml -o requirements/base.txt
	@printf 'hatchling>=1.27\neditables>=0.5\n' | $(UV) pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -c requirements/dev.txt - -o requirements/build.txt
	@printf 'kserve>=0.21,<0.22\n' | $(UV) pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate $(KSERVE_SERVER:%=--no-emit-package %) - -o requirements/clients-kserve.txt
	@printf 'mlflow>=3.16,<4\n' | $(UV) pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate - -o requirements/server-mlflow.txt
	@printf 'uv\n' | $(UV) pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header - -o requirements/uv.txt

clean:  ## remove what make made
	rm -rf .venv .venv-lowest .venv-clients-kserve .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist demo benchmarks/.work
