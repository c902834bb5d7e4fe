# Two commands on a fresh machine with Python 3.11, make and pip:
#   make demo    installs the compiler and compiles ResNet-50 for every backend
#   make test    installs what the tests need, torch and TensorFlow among it, and runs them
# `make quick` runs the tests that are not slow; `make lint` what .ci/run does before them.
PYTHON ?= python3.11
ifeq ($(shell command -v $(PYTHON) 2>/dev/null),)
PYTHON = python3
endif
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
JOBS ?= 2
# A process a core: more threads than that only get in each other's way.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3

MINUTES ?= 10
SEED ?= 0

.PHONY: demo test quick lint format golden tables docs-tables gallery editor bench limits fuzz mutate \
	verify-shelf clean

# What Lark knows of the grammar, and the library by it; a build makes it too, and so does a first run.
TABLES := resnet_dsl/syntax/generated_tables.py
MAKE_TABLES := resnet_dsl/syntax/make_tables.py

demo: $(VENV)/demo
	$(BIN)/resnet-dsl compile resnet50 --backend all -o demo/ --force
	$(BIN)/resnet-dsl summary resnet50

test: $(VENV)/test $(TABLES)
	$(ONE_THREAD) $(BIN)/pytest -n $(JOBS) --dist loadfile $(ARGS)

# What tells of most mistakes in a minute or two; ARGS="-k name" or ARGS=tests/test_x.py runs less.
quick: $(VENV)/test $(TABLES)
	$(ONE_THREAD) $(BIN)/pytest -n $(JOBS) --dist loadfile -m "not slow" $(ARGS)

lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/resnet-dsl fmt --check $$(find specs resnet_dsl/library -name '*.resnet')
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/test
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .
	$(BIN)/resnet-dsl fmt $$(find specs resnet_dsl/library -name '*.resnet')

golden: $(VENV)/test
	$(BIN)/pytest --update-golden

# The tables of docs/ that are made from the code: ops, blocks, codes, the grammar.
docs-tables: $(VENV)/test
	$(BIN)/pytest tests/test_docs.py --update-golden

# gallery/index.html: every shipped network as a small picture, in about a minute.
gallery: $(VENV)/demo
	$(BIN)/python tools/gallery.py gallery

# Random texts for half the time, random networks for the other; docs/quality.md says what has to hold.
fuzz: $(VENV)/fuzz
	$(ONE_THREAD) $(BIN)/python -m fuzz --minutes $(MINUTES) --seed $(SEED) --jobs $(JOBS)

# How many small faults the tests see; about an hour on two cores. ARGS="--areas sizes --sample 40" tries less.
mutate: $(VENV)/test
	$(PIP) -e '.[mutate]'
	$(ONE_THREAD) $(BIN)/python -m tools.mutate --jobs $(JOBS) $(ARGS)

# docs/performance.md: every row against its peer, in turns; ARGS="torch convert" prints some of them.
bench: $(VENV)/test
	$(PIP) -e '.[bench]'
	$(BIN)/python -m benchmarks $(or $(ARGS),--write)

# Every shipped network in all backends, shortened where it is deep; it goes on where it was stopped.
verify-shelf: $(VENV)/test
	$(ONE_THREAD) $(BIN)/python tools/verify_shelf.py --jobs $(JOBS) $(ARGS)

# The extension of VS Code, dist/resnet-dsl.vsix; it needs Node.js, and npm's packages.
editor:
	mkdir -p dist
	cp LICENSE editors/vscode/LICENSE.txt
	cd editors/vscode && npm install --no-package-lock --no-audit --no-fund --loglevel=error && npm run --silent package

# docs/limits.md: the largest input within every bound, built and measured.
limits: $(VENV)/test
	$(ONE_THREAD) $(BIN)/python tools/limits.py

tables: $(TABLES)

$(TABLES): resnet_dsl/syntax/grammar.lark $(wildcard resnet_dsl/library/*.resnet) $(MAKE_TABLES) | $(VENV)/test
	$(BIN)/python -m resnet_dsl.syntax.make_tables

clean:
	rm -rf editors/vscode/node_modules editors/vscode/dist editors/vscode/LICENSE.txt
	rm -rf $(TABLES) $(VENV) demo gallery dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[onnx]'
	touch $@

$(VENV)/fuzz: $(VENV)/test
	$(PIP) -e '.[fuzz]'
	touch $@

# torchvision, timm and transformers are oracles; their own dependencies would replace the torch of the tests.
$(VENV)/test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[test]'
	$(PIP) --no-deps torchvision timm transformers
	touch $@
