# Everything a developer types. On a fresh machine Python 3.11 or newer and make are enough: the rest is set up inside .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Trust what the machine trusts, also behind a proxy with a certificate of its own.
export UV_SYSTEM_CERTS := true

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format lint types imports contract generate checkgenerate runtimes bench compare clean lock

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## Set up the virtual environment in .venv

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "headgate needs Python 3.11 or newer; name one with 'make PYTHON=/path/to/python3.13'"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install 'uv==0.13.8'
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --requirements requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: $(READY) ## Start a server on SQLite and play two real jobs against it
	@$(BIN)/headgate demo

test: $(READY) ## Run all tests, on SQLite and on a PostgreSQL of their own
	@$(BIN)/python -m pytest -n 2 --dist worksteal

check: format lint types imports contract checkgenerate test ## The gate: everything that must hold before a commit

format: $(READY) ## Check the format of the code
	@$(BIN)/ruff format --check --quiet . || { echo "Run '$(BIN)/ruff format .'"; exit 1; }

lint: $(READY) ## Lint the code and the spelling
	@$(BIN)/ruff check --quiet .
	@$(BIN)/codespell

types: $(READY) ## Check the types
	@$(BIN)/mypy

imports: $(READY) ## Check that every arrow between the rooms points down
	@$(BIN)/lint-imports --no-logo

contract: $(READY) ## Lint the contract, check its format and that it breaks nobody
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code
	@$(BIN)/python protos/breaking.py

generate: $(READY) ## Make the Python stubs from the contract
	@$(BIN)/python protos/generate.py

checkgenerate: generate ## Check that the committed stubs are those of the contract
	@git diff --exit-code --stat -- client/headgate/v1 && test -z "$$(git status --porcelain -- client/headgate/v1)" || \
		{ echo "The stubs were not fresh; commit what 'make generate' made."; exit 1; }

runtimes: $(READY) ## Check that the stubs load on the oldest and the newest runtimes we promise
	@$(BIN)/python -m pytest -q tests/contract/test_runtimes.py

bench: $(READY) ## Measure, print a table and write benchmarks/latest.json
	@$(BIN)/python -m benchmarks

compare: $(READY) ## Do the same work with Prefect 2.20, in an environment of its own, and write benchmarks/reference.json
	@$(BIN)/python -m benchmarks.reference

lock: ## Write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --no-header --no-annotate --python-version 3.11 \
		--all-extras --group dev pyproject.toml --output-file requirements.lock

clean: ## Remove what was set up and made
	rm -rf $(VENV) .venv-* .bin .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
