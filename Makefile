# Two commands are enough: `make run` and `make test`. Each installs what it misses.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= python3
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# What Debian and Ubuntu call the programs that pip cannot install.
TOOLCHAIN_PACKAGES := gcc-arm-none-eabi libnewlib-arm-none-eabi
# (libatomic1 is what the tests' browser driver needs.)
TEST_PACKAGES := gdb-multiarch qemu-system-arm postgresql chromium libatomic1

.PHONY: help run test lint format docs bench clean lock toolchain test-tools

help: ## Show this list.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

run: $(READY) toolchain ## Measure a 5x5 convolution at fourteen clocks on a virtual board; leaves measurements.db and lut.csv.
	$(BIN)/bench run --primitive conv2d --k 5 --station virtual-nucleo_f446ze
	$(BIN)/bench export lut.csv --source virtual

test: $(READY) toolchain test-tools ## Run all tests.
	$(BIN)/pytest -n 3 --dist worksteal

lint: $(READY) ## Check style, types and layers.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(READY) ## Format the Python sources.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## Build the documentation into site/; a link that leads nowhere is an error.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir site

bench: $(READY) toolchain ## Run the benchmarks.
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

clean: ## Remove the virtual environment and what tools left behind; measurements stay.
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: $(READY) ## Pin the newest allowed versions of all dependencies.
	$(BIN)/python -m pip install --quiet --upgrade --editable '.[virtual,joulescope,visa,docs,dev]'
	$(BIN)/python -m pip freeze --exclude-editable --exclude pip | LC_ALL=C sort -f > requirements.lock

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "bench needs Python 3.11 or newer as '$(PYTHON)'; install it, or name it: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory _apt PACKAGES=python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/python -m pip --disable-pip-version-check check >/dev/null || { $(BIN)/python -m pip check; exit 1; }
	@touch $@

toolchain:
	@libm=$$(arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard -print-file-name=libm.a 2>/dev/null || true); \
	    [[ "$$libm" == */* ]] || $(MAKE) --no-print-directory _apt PACKAGES="$(TOOLCHAIN_PACKAGES)"

test-tools: $(READY)
	@{ command -v gdb-multiarch && command -v qemu-system-arm && command -v chromium && ls /usr/lib/postgresql/*/bin/initdb && $(BIN)/playwright --version; } >/dev/null 2>&1 \
	    || $(MAKE) --no-print-directory _apt PACKAGES="$(TEST_PACKAGES)"

.PHONY: _apt
_apt:
	@if ! command -v apt-get >/dev/null; then \
	    echo "please install, with your system's package manager: $(PACKAGES) (these are Debian's names), then run make again" >&2; exit 1; fi; \
	sudo=; if [ "$$(id -u)" != 0 ]; then \
	    command -v sudo >/dev/null || { echo "please run as root: apt-get install $(PACKAGES)" >&2; exit 1; }; \
	    sudo=sudo; fi; \
	echo "installing $(PACKAGES); this takes a minute or two"; \
	$$sudo apt-get update -qq && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES) >/dev/null
