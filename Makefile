# The commands of the project; `make` alone lists them.

PORT ?= 8000
ARGS ?=
TEST_PROCESSES ?= 4
PYTHON_IN_VENV := .venv/bin/python

# A demo or a test must never meet a real account, whatever the shell has set.
WITHOUT_REAL_MARKETS := for name in $$(env | sed -n -E 's/^((ALPACA|FINNHUB|COINGECKO)_[A-Za-z0-9_]*)=.*/\1/p'); do unset "$$name"; done

# What containers set to stay small makes each of the many processes compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo test check lint chaos bench real-model lock

help:  ## list the commands
	@sed -n -E 's/^([a-z-]+):[^#]*## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

install:  ## make .venv with what the running system needs
	@./requirements/install.sh runtime.txt

install-dev:
	@./requirements/install.sh dev.txt

demo: install  ## run everything on the local venue (PORT=8000, VENUE_DATA=folder of prices)
	@echo "Demo: simulated trading on the local venue, in autonomous mode. No real account is used; Ctrl-C stops everything."
	@$(WITHOUT_REAL_MARKETS); ORCHESTRATOR_MODE=autonomous exec $(PYTHON_IN_VENV) manage.py up --port "$(PORT)"

# More processes than cores: half of them take what drives whole systems, and mostly wait (tests/pools.py). A test marked
# `system` that fails is run again, alone; .flaky keeps what it wrote.
test: install-dev  ## run the whole suite with coverage (ARGS="-k name" runs a part, TEST_PROCESSES=0 one process)
	@./.ci/chromium
	@$(WITHOUT_REAL_MARKETS); \
	status=0; \
	rm -rf .coverage .flaky; mkdir .coverage; \
	export PYTHONWARNINGS="ignore:Unable to activate pytest branch coverage"; \
	TEST_COVERAGE_FOLDER="$(CURDIR)/.coverage" $(PYTHON_IN_VENV) -m slipcover --json --out .coverage/suite.json \
		-m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --again .flaky $(ARGS) || status=$$?; \
	$(PYTHON_IN_VENV) -m tests.coverage_summary .coverage $(if $(strip $(ARGS)),--no-minimum) || status=1; \
	exit $$status

lint: install-dev
	$(PYTHON_IN_VENV) -m ruff check .
	$(PYTHON_IN_VENV) -m ruff format --check .
	nice -n 10 $(PYTHON_IN_VENV) -m mypy
	nice -n 10 .venv/bin/lint-imports
	@$(WITHOUT_REAL_MARKETS); $(PYTHON_IN_VENV) manage.py makemigrations --check --dry-run

# Types and import rules take what the tests leave of the cores.
check: install-dev  ## what CI runs: lint, types, import rules, migrations, tests
	@$(MAKE) --no-print-directory -j2 lint test

chaos: install-dev  ## break the running system on purpose, for long
	@if ls tests/chaos/test_*.py >/dev/null 2>&1; then \
		$(WITHOUT_REAL_MARKETS); $(PYTHON_IN_VENV) -m pytest tests/chaos tests/trading/events/test_killed.py --long $(ARGS); \
	else echo "There are no chaos tests yet (tests/chaos is empty)."; fi

bench: install  ## measure whole cycles beside the limit of the same run (ARGS="--help")
	@if [ -f benchmarks/__main__.py ]; then \
		$(WITHOUT_REAL_MARKETS); $(PYTHON_IN_VENV) -m benchmarks $(ARGS); \
	else echo "There are no benchmarks yet (benchmarks/ is empty)."; fi

real-model: install-dev  ## run the product against a real, very small model (builds llama.cpp in .real-model)
	@$(WITHOUT_REAL_MARKETS); $(PYTHON_IN_VENV) -m benchmarks.real_model $(ARGS)

lock: install  ## pin requirements/*.in anew (hashed, for all platforms)
	@$(PYTHON_IN_VENV) -m uv --version >/dev/null 2>&1 || $(PYTHON_IN_VENV) -m pip install -q --disable-pip-version-check uv
	@for name in runtime dev; do \
		$(PYTHON_IN_VENV) -m uv pip compile requirements/$$name.in -o requirements/$$name.txt --quiet --universal \
			--python-version 3.11 --generate-hashes --no-emit-index-url --no-header || exit 1; \
	done
