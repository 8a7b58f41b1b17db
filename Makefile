# Verbs for people and for CI. Needs only make and a Python of 3.11 or newer; everything else goes into .venv.
#
#   make demo OUT=runs/mine       another folder
#   make demo PYTHON=python3.12   another interpreter
#   make test PIP_ARGS="…"        options for pip, say a mirror
#   make test ARGS="-k kd"        options for pytest

VENV ?= .venv
BIN := $(VENV)/bin
PIP_ARGS ?=
ARGS ?=
# The first Python that is new enough; plain python3, and a sentence below, when there is none.
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && exit; done; echo python3)
# One thread in each of pytest's two workers: two workers of two threads are slower than two of one.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo test slow check lint types rooms doctests format docs bench clean

help:  ## list the verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

demo: $(VENV)/.run  ## distil a small image classifier in a few minutes, with a report (OUT=folder)
	@out="$(OUT)"; n=1; \
	if [ -z "$$out" ]; then out=runs/demo; while [ -e "$$out" ]; do n=$$((n + 1)); out=runs/demo-$$n; done; fi; \
	$(BIN)/limbeck demo --out "$$out"

test: $(VENV)/.dev  ## run the tests and the docstrings' examples (ARGS="-k name")
	$(ONE_THREAD) $(BIN)/pytest -n 2 $(ARGS)

slow: $(VENV)/.dev  ## run the proofs that the tests repeat only a few times
	$(ONE_THREAD) $(BIN)/pytest -n 2 -m slow $(ARGS)

check: lint types rooms doctests  ## lint, format, types, the rooms' boundaries, docstring examples

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

rooms: $(VENV)/.dev
	$(BIN)/lint-imports

doctests: $(VENV)/.dev
	$(ONE_THREAD) $(BIN)/pytest -n 2 src

format: $(VENV)/.dev  ## mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev  ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "The documentation is in site/index.html."

bench: $(VENV)/.bench  ## measure against a hand-written loop and against peers (some minutes, a quiet machine)
	@for each in loop_overhead vs_peers; do echo "== $$each"; $(BIN)/python benchmarks/$$each.py || exit; done

clean:  ## remove the environment and what was built; runs/ stays
	rm -rf $(VENV) site dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment that could not be made whole is removed, so that the next make starts afresh.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo "limbeck needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1 || true):" \
	"install one and name it, as in make PYTHON=python3.12." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	echo "$(PYTHON) could not make $(VENV): on Debian and Ubuntu, apt install python3-venv." >&2; exit 2; }

# Stamps: what is installed, made again when pyproject.toml changes.
$(VENV)/.run: pyproject.toml | $(BIN)/python
	@echo "Installing limbeck into $(VENV) (PyTorch is large: minutes on the first time)."
	@$(PIP) -e '.[export]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing limbeck and its tools into $(VENV) (PyTorch is large: minutes on the first time)."
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.bench: $(VENV)/.dev
	@$(PIP) -e '.[dev,bench]'
	@touch $@
