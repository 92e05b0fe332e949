# Each step is done again when the content it depends on has changed, and only then.

APP ?= lab
PORT ?= 8888
NO_BROWSER ?=
PYTHON ?= python3

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
JLPM := PATH="$(BIN):$$PATH" $(BIN)/jlpm
# make compares times; these stamps are rewritten only when the content they stand for has changed.
STAMPS := $(VENV)/stamps

.PHONY: help run test lint crash bench docs clean install ui

help:
	@echo "make run     open Jupyter on a copy of an example notebook; APP=lab|notebook, PORT=8888, NO_BROWSER=1"
	@echo "make test    everything: TypeScript, Python, and a real Chromium; PYTEST_ARGS=... narrows the Python part"
	@echo "make lint    ruff, mypy, import-linter, tsc, eslint, prettier"
	@echo "make crash   only the tests that kill processes, cut the power, fill the disk"
	@echo "make bench   the figures, beside stock Jupyter's"
	@echo "make docs    check the documentation's links"
	@echo "make clean   remove everything that was made here"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# The environment: this package (editable), Jupyter, and the tools.
install: $(VENV)/bin/python
	@tools/when-changed $(STAMPS)/install pyproject.toml -- tools/install $(BIN)

# The front end, built into src/indelible/labextension (hatch_build.py compares contents itself).
ui: install
	@$(BIN)/python hatch_build.py

run: ui
	@APP="$(APP)" PORT="$(PORT)" NO_BROWSER="$(NO_BROWSER)" tools/run $(BIN)

test: ui
	@tools/chromium
	@tools/when-changed $(STAMPS)/rtc pyproject.toml -- $(BIN)/python tools/install-rtc $(VENV)/rtc
	cd ui && $(JLPM) test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

crash: install
	$(BIN)/python -m pytest -m crash $(PYTEST_ARGS)

lint: ui
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd ui && $(JLPM) lint:check

bench: ui
	@tools/chromium
	$(BIN)/python -m benchmarks

docs:
	@echo "The documentation is Markdown: README.md, ARCHITECTURE.md and docs/. Checking its links:"
	@$(PYTHON) tools/check-links README.md README.zh-CN.md ARCHITECTURE.md docs

clean:
	rm -rf $(VENV) ui/node_modules ui/lib src/indelible/labextension ui/*.tsbuildinfo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
