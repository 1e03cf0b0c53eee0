# foolrate: `make` without a target prints this help.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
PY := .venv/bin/python
TORCH := $(shell grep '^torch==' requirements/networks.txt)
# Many tests wait for servers and browsers: more workers than cores are faster, and take 3 GiB each.
WORKERS ?= 2
# Compiling all 22,000 files of the packages takes longer than installing them; Python compiles those that it imports.
PIP := $(PY) -m pip install -q --disable-pip-version-check --no-compile

.PHONY: help demo check test serve bench site analysis clean

help: ## print this help
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: .venv/.installed .venv/.kernels ## the whole loop on shipped photos, into demo/ (simulated raters, marked as such)
	@$(PY) manage.py demo

check: .venv/.installed-dev ## format, lint, types, import contracts and the fast tests (under 2 minutes)
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy & product=$$!; .venv/bin/mypy --config-file tests/mypy.ini; tests=$$?; wait $$product && exit $$tests
	.venv/bin/lint-imports
	OMP_NUM_THREADS=1 $(PY) -m pytest -q -n $(WORKERS) --dist worksteal -m "not (integration or browser or postgres or statistical or slow)"

test: .venv/.installed-dev .venv/.kernels ## all tests: fast, integration, browser, PostgreSQL, statistical; of one room with ROOM=metrics/paired
	@$(PY) tests/layers.py
	OMP_NUM_THREADS=1 $(PY) -m pytest -q $(if $(ROOM),tests/$(ROOM),-n $(WORKERS) --dist worksteal)

serve: .venv/.installed ## serve the demo study, to rate it yourself (after `make demo`)
	$(PY) manage.py study serve --database sqlite:///demo/study.sqlite3

bench: .venv/.installed-dev ## the benchmarks, each beside its peer
	$(PY) manage.py bench

site: .venv/.made ## install the study site only: no torch, no pandas (then .venv/bin/python manage.py study ...)
	$(PIP) -c constraints.txt -r requirements/base.txt -r requirements/site.txt

analysis: .venv/.made ## install the analysis only: no torch, no web server
	$(PIP) -c constraints.txt -r requirements/base.txt -r requirements/analysis.txt

clean: ## remove the demo's output and caches (keeps .venv)
	rm -rf demo build kernels/build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

.venv/.made:
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("foolrate needs Python 3.11 or later, found %d.%d: make PYTHON=/path/to/python3.11" % v[:2])'
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@touch $@

# torch goes first: what depends on it must find this version installed and not choose another.
.venv/.torch: .venv/.made requirements/networks.txt
	@echo "installing $(TORCH)"; $(PIP) "$(TORCH)"
	@touch $@

# For one kind of processor, and only where a compiler is: kernels/README.md.
.venv/.kernels: $(wildcard kernels/csrc/* kernels/foolrate_cpu_kernels/*.py kernels/*.py) .venv/.torch
	@$(PY) kernels/install.py
	@touch $@

.venv/.installed: .venv/.torch pyproject.toml requirements/*.txt constraints.txt
	@echo "installing foolrate's requirements"; $(PIP) -c constraints.txt -e .
	@touch $@

.venv/.installed-dev: .venv/.torch pyproject.toml requirements/*.txt constraints.txt
	@echo "installing foolrate's requirements and its tests'"; $(PIP) -c constraints.txt -e ".[dev]"
	@touch $@ .venv/.installed
