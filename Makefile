# `make demo`: the demo study; `make test`: lint and all tests; `make bench`: ratios of speed.
# Each sets up .venv first.
PYTHON ?= python3
BIN := .venv/bin
LOCK := envs/requirements.lock

.PHONY: demo test bench lint
.DELETE_ON_ERROR:

demo: .venv/ready
	$(BIN)/snakemake --cores all
	@echo "Table:  results/demo/tables/summary.tsv"
	@echo "Report: results/demo/report.html"

test: lint
	$(BIN)/python -m pytest

bench: .venv/ready
	$(BIN)/python tests/benchmarks/bench.py
	$(BIN)/python tests/benchmarks/bench_embed.py

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint

.venv/ready: $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "spotrank needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r $(LOCK)
	touch $@
