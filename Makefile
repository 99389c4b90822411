# `make demo` and `make test` do all the set-up themselves, in .venv of this checkout.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
DEMO := build/demo

.PHONY: demo test check bench setup clean

setup: $(VENV)/.ready

# torch goes first and alone: asked for by another package, pip would take a build with gigabytes of CUDA libraries.
$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Graphreel needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group dev
	touch $@

demo: setup
	mkdir -p $(DEMO)
	$(BIN)/graphreel demo -o $(DEMO)/transformer.reel
	$(BIN)/graphreel info $(DEMO)/transformer.reel

test: setup
	$(BIN)/python -m pytest -n auto --dist worksteal

check: setup
	$(BIN)/python tools/check.py

bench: setup
	for program in bench/*.py; do $(BIN)/python $$program || exit 1; done

clean:
	rm -rf build dist *.egg-info
