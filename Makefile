# Everything a newcomer or CI runs. Each target sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINUTES ?= 10
SAMPLES := runtime/reid_edge/samples

.PHONY: demo test test-all fuzz mutants lint format clean

demo: $(VENV)/.runtime  ## enrol the sample gallery, identify the sample photos, print answers and truth
	rm -rf demo && mkdir demo
	$(BIN)/reid-edge gallery add $(SAMPLES)/gallery --gallery demo/gallery.sqlite
	$(BIN)/reid-edge identify $(SAMPLES)/photos --gallery demo/gallery.sqlite --explain demo/report.html \
	  --truth $(SAMPLES)/metadata.csv

test: $(VENV)/.dev  ## all tests but the exports of large networks
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-all: $(VENV)/.dev  ## all tests, with the exports of large networks
	$(BIN)/python -m pytest -n 2 --dist worksteal -m ""

fuzz: $(VENV)/.dev  ## the properties of the tests on fresh examples: make fuzz MINUTES=30
	$(BIN)/python tests/fuzz.py --minutes $(MINUTES)

mutants: $(VENV)/.dev  ## small changes to the modules that decide, which their tests should notice: make mutants MODULE=verdict
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'mutmut>=3.8,<4'
	$(BIN)/python tests/mutants.py $(MODULE)

lint: $(VENV)/.dev  ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "reid-edge needs Python 3.10 to 3.13; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "The venv module is missing; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }

$(VENV)/.runtime: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cpu]'
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.runtime
