# The two set-up commands of the README are `make quickstart` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: quickstart test test-long lint bench bench-distances docs clean

quickstart: $(VENV)/installed
	$(BIN)/rnnensemble quickstart

PYTEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder

test: $(VENV)/installed-dev lint
	$(PYTEST) --numprocesses 2 -m "not long"

# What takes minutes: every documented command, kills, tiles and devices, engines, other libraries.
test-long: $(VENV)/installed-dev
	$(PYTEST) --numprocesses 2 -m long

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --threads 2 --pythonpath $(BIN)/python

bench: $(VENV)/installed-bench
	$(BIN)/python benchmarks/throughput.py

bench-distances: $(VENV)/installed-reference
	$(BIN)/python benchmarks/distances.py

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/rnnensemble report docs/study --to site/study/report.html --quiet
	$(BIN)/rnnensemble report docs/alternatives --to site/alternatives/report.html --quiet

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)/installed-bench: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	touch $@

$(VENV)/installed-reference: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[reference]'
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) site
