# The project's jobs. `make demo` and `make test` do all the set-up from a fresh clone.
# Needs only a Python 3.10 to 3.13 with venv; choose one with `make setup PYTHON=python3.12`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Named in full, so that a machine that carries a CPU build of just this version uses it.
TORCH := $(shell sed -n 's/^\(torch==[^ ;]*\).*/\1/p' constraints.txt)
# The tests compare with it. Alone, for what it would bring (audio and event cameras) is not used.
NEUROBENCH := neurobench==2.3.0
TYPING := .typing/ipvae_snn
# `make setup LOCKED=1` installs only files whose SHA-256 is in .ci/locks/, as PyPI serves them, torch's
# (with CUDA on Linux) among them. LOCKED=but-torch takes torch from where pip finds it: a machine's
# CPU build has another hash.
LOCKED ?=
HASHED := --quiet --no-deps --require-hashes
UV ?= uv
LOCK := $(UV) pip compile --no-config --quiet --universal \
    --python-version 3.10 --generate-hashes --no-annotate --no-header
TOOLS := $(VENV)/tools
CYCLONEDX := cyclonedx-bom==7.5.0
SBOM := dist/sbom.cdx.json

export PIP_NO_INPUT := 1

.DELETE_ON_ERROR:
.PHONY: help setup demo test test-all lint format types typing-links wheel bench clean distclean lock sbom

help:
	@echo 'make setup     install into $(VENV), and make the Lava environment if a Python 3.10 is found'
	@echo 'make demo      train, convert, export, run everywhere, compare (about 3 minutes)'
	@echo 'make test      the default test suite          make test-all  the slow tests too'
	@echo 'make lint      ruff, arrows                       make types     mypy --strict'
	@echo 'make format    let ruff rewrite the files      make bench     the benchmarks'
	@echo 'make wheel     build the wheel into dist/      make clean     remove what was built'
	@echo 'make distclean remove $(VENV) as well'
	@echo 'make setup LOCKED=1   the same from files of known SHA-256 only (.ci/locks/)'
	@echo 'make sbom      list what is installed in $(SBOM), as CycloneDX'

setup: $(STAMPS)/install $(STAMPS)/neurobench $(STAMPS)/lava

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else "$(PYTHON) is Python %d.%d; ipvae-snn needs 3.10 to 3.13: make setup PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/torch: $(STAMPS)/venv constraints.txt
ifeq ($(LOCKED),1)
	$(PIP) install $(HASHED) -r .ci/locks/torch.txt
else
	$(PIP) install --quiet -c constraints.txt '$(TORCH)'
endif
	@touch $@

$(STAMPS)/install: $(STAMPS)/torch constraints.txt pyproject.toml
ifeq ($(LOCKED),)
	$(PIP) install --quiet -c constraints.txt -e '.[dev,frameworks]'
else
	$(PIP) install $(HASHED) -r .ci/locks/requirements.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
endif
	@touch $@

$(STAMPS)/neurobench: $(STAMPS)/install
ifeq ($(LOCKED),)
	$(PIP) install --quiet --no-deps '$(NEUROBENCH)'
else
	$(PIP) install $(HASHED) -r .ci/locks/neurobench.txt
endif
	@touch $@

# Without a Python 3.10 all the rest still works, so this says what to do and goes on; there is
# no stamp then, and the next `make setup` looks again.
$(STAMPS)/lava: $(STAMPS)/install hw/lava/lock.txt
	@if $(BIN)/ipvae-snn lava setup; then touch $@; \
	else echo 'make setup: no Lava environment was made (reason above); all but the Lava back end works'; fi

demo: setup
	$(BIN)/ipvae-snn demo

# A page's code blocks build on each other, and fixtures of a file are made once: a file stays in
# one process.
PARALLEL := -n logical --maxprocesses 4 --dist loadfile

test: setup
	$(BIN)/python -m pytest $(PARALLEL) -m 'not slow'

test-all: setup
	$(BIN)/python -m pytest $(PARALLEL)

lint: $(STAMPS)/install typing-links
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if [ -x $(BIN)/lint-imports ]; then \
	    cd .typing && PYTHONPATH=. ../$(BIN)/lint-imports ../pyproject.toml --no-logo --cache-dir ../.import_linter_cache; \
	else echo 'make lint: the arrows between packages are checked on Python 3.11 or newer'; fi

format: $(STAMPS)/install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# hw/ and export/ lie beside ipvae_snn/ but are imported as ipvae_snn.hw and ipvae_snn.export;
# the type checker sees that through a folder of links.
typing-links:
	@mkdir -p $(TYPING)
	@ln -sfn ../benchmarks .typing/benchmarks
	@find $(TYPING) -xtype l -delete
	@for path in ipvae_snn/* hw export; do \
	    link=$(TYPING)/$$(basename $$path); \
	    [ -e $$link ] || ln -s ../../$$path $$link; \
	done

types: $(STAMPS)/install typing-links
	$(BIN)/mypy

wheel: $(STAMPS)/install
	rm -rf build  # or files that are gone would come along
	$(BIN)/python -m build --wheel --outdir dist

# After a change of constraints.txt; needs uv. Torch and what only it needs lie in a file of their
# own, since not every machine takes it from PyPI.
lock:
	@mkdir -p .ci/locks
	$(LOCK) -c constraints.txt --extra dev --extra frameworks --extra tensorboard pyproject.toml \
	    -o .ci/locks/requirements.txt > /dev/null
	python3 .ci/locks/split.py .ci/locks/requirements.txt .ci/locks/torch.txt
	echo "$$(sed -n '/^lava-nc==/p' hw/lava/constraints.txt)" | $(LOCK) -c hw/lava/constraints.txt - \
	    -o hw/lava/lock.txt > /dev/null
	echo '$(NEUROBENCH)' | $(LOCK) --no-deps - -o .ci/locks/neurobench.txt > /dev/null

$(STAMPS)/tools: $(STAMPS)/venv
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip --disable-pip-version-check install --quiet '$(CYCLONEDX)'
	@touch $@

# In an environment of its own, so that the list names nothing of the tool.
sbom: $(STAMPS)/install $(STAMPS)/tools
	@mkdir -p $(dir $(SBOM))
	$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	    --output-format JSON --output-file $(SBOM) $(BIN)/python
	@echo '$(SBOM) written'

bench: setup
	$(BIN)/python -m benchmarks

clean:
	rm -rf build dist *.egg-info .typing .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis .coverage
	find ipvae_snn hw export benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
