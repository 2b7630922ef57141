# make demo [BOARD=netduinoplus2|mps2-an386|mps3-an547|microbit|riscv32-virt|native]   learn, build, boot, stream, prove
# make test                                                    lint, types and every test
# Uses the active virtual environment, or makes .venv.

BOARD ?= netduinoplus2
PYTHON ?= python3
VENV := $(or $(VIRTUAL_ENV),$(CURDIR)/.venv)
BIN := $(VENV)/bin
# Installed again when the C core, which is compiled at installation, or the list of packages changes.
SOURCES := pyproject.toml CMakeLists.txt $(shell find host device/include device/src -name "__init__.py" -o -name "*.[ch]")

.PHONY: demo test lint bench clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

demo: packages-$(or $(if $(filter native,$(BOARD)),native),$(if $(filter riscv%,$(BOARD)),riscv),board) $(VENV)/.edgetwin-report
	$(BIN)/edgetwin demo --board $(BOARD)

test: lint
	$(BIN)/python -m pytest -rs -n 2 --dist worksteal

lint: packages-test $(VENV)/.edgetwin-dev
	PYTHON=$(BIN)/python tools/lint.sh

bench: packages-board $(VENV)/.edgetwin-dev
	$(BIN)/python tools/bench/device.py

# Before anything is compiled.
packages-%:
	tools/setup/system_packages.sh $*

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.edgetwin-%: $(SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@

clean:
	rm -rf build demo .venv
