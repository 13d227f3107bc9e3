# Needs Python 3.11 or newer, make and the package registries; `make e2e` needs Node's npm as well.
#
#   make demo    see it work, on this machine alone      make bench   its speed beside a bare relay
#   make test    every test                              make e2e     the same with Codex and openai-agents
#   make model   the names' model anew, from DATA=folder
#   make lint    ruff        make types   mypy           make arch    which package may import which

VENV    ?= .venv
CLIENTS ?= .cache/clients
PYTHON  ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

# The clients that `make e2e` drives. openai-agents pins websockets below 17: an environment of its own.
AGENTS_VERSION := 0.24.0
OPENAI_VERSION := 3.54.0
CODEX_VERSION  := 0.169.0

BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check install --quiet
# constraints.txt was made on 3.11 and tried up to 3.13; a newer Python gets the newest releases instead.
PINS = $(shell $(PYTHON) -c 'import sys; print("--constraint constraints.txt" if sys.version_info < (3, 14) else "")')

.DEFAULT_GOAL := help
.PHONY: help install demo test bench model lint types arch check clients e2e clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV); this takes a minute, once."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) --upgrade 'pip>=25.1'
	$(BIN)/python $(PIP) $(PINS) --editable '.[demo,litellm]' --group dev
	@touch $@

install: $(VENV)/.installed

demo: install
	@$(BIN)/guardrail-gateway demo

# A process for each processor, four at most: each takes seconds to collect the tests. Who runs out of tests takes some
# from another's end, so that tests of one file mostly share what is made once for them.
test: install
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

bench: install
	$(BIN)/python bench/run.py
	$(BIN)/python bench/live.py
	$(BIN)/python bench/sizes.py
	$(BIN)/python bench/over_http.py
	$(BIN)/python bench/detection.py

$(VENV)/.model: $(VENV)/.installed
	$(BIN)/python $(PIP) $(PINS) --group model
	@touch $@

model: $(VENV)/.model
	@test -n "$(DATA)" || { echo "make model DATA=folder, with train_*.jsonl and dev_*.jsonl in it"; exit 1; }
	PYTHONHASHSEED=0 $(BIN)/python -m training "$(DATA)"

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install
	$(BIN)/mypy

arch: install
	$(BIN)/lint-imports

check: lint types arch test

$(CLIENTS)/.installed: Makefile
	@command -v npm >/dev/null || { echo "make e2e needs npm, for Codex"; exit 1; }
	@mkdir -p $(CLIENTS)/npm && echo '*' > .cache/.gitignore
	test -x $(CLIENTS)/venv/bin/python || $(PYTHON) -m venv $(CLIENTS)/venv
	$(CLIENTS)/venv/bin/python $(PIP) 'openai-agents==$(AGENTS_VERSION)' 'openai[realtime]==$(OPENAI_VERSION)'
	npm install --silent --no-fund --no-audit --prefix $(CLIENTS)/npm '@openai/codex@$(CODEX_VERSION)'
	@touch $@

clients: $(CLIENTS)/.installed

e2e: install clients
	E2E_CLIENTS=$(abspath $(CLIENTS)) $(BIN)/python -m pytest tests/e2e

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
