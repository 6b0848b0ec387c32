# Conveniences; nothing needs make. `make demo` and `make test` set up all that they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_WAIT_POLICY = PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help install demo test all oldest lint types docs bench clean

help:  ## what each word does
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: pyproject.toml tools/group.py $(VENV)/.core
	$(BIN)/python -m pip install --quiet $$($(BIN)/python tools/group.py test)
	@touch $@

$(VENV)/.dev: pyproject.toml tools/group.py $(VENV)/.test
	$(BIN)/python -m pip install --quiet $$($(BIN)/python tools/group.py lint docs)
	@touch $@

install: $(VENV)/.core  ## the core, editable, in .venv

demo: $(VENV)/.core  ## the whole loop on UCI Adult, with the sealed test opened at the end
	$(BIN)/mulle demo income

test: $(VENV)/.test  ## the fast tests
	$(BIN)/python -m pytest -n 2 -m "not slow"

lint: $(VENV)/.dev  ## format, rules, import layers, words, unused code and dependencies
	$(BIN)/ruff format --check src tests tools benchmarks
	$(BIN)/ruff check src tests tools benchmarks
	$(BIN)/lint-imports
	$(BIN)/codespell src docs README.md CONTRIBUTING.md
	$(BIN)/vulture
	$(BIN)/deptry src

types: $(VENV)/.dev  ## mypy --strict
	$(BIN)/mypy

docs: $(VENV)/.dev  ## the documentation, strictly
	$(BIN)/mkdocs build --strict

all: lint types docs $(VENV)/.test  ## everything, slow suites too
	$(BIN)/python -m pytest -n 2
	$(MAKE) oldest

oldest: tools/oldest.py  ## the fast tests on the oldest versions that pyproject.toml allows
	$(PYTHON) tools/oldest.py

bench: $(VENV)/.test  ## every benchmark, one after another
	for script in $$(grep -l __main__ benchmarks/*.py); do $(BIN)/python $$script || exit 1; done

clean:  ## what was built
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache
