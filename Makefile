# `make demo`: the demo study; `make test`: lint and all tests but those on SLURM, which `make
# test-slurm` installs and starts, those in a browser, which `make test-browser` installs, and those
# against spatialdata, which `make test-spatialdata` installs; `make quick`: lint, unit and golden tests; `make kill`: kill runs
# KILLS times; `make bench`: ratios of speed; `make published`: jobs and GPU hours of the published
# studies; `make published-synthetic`: STRank's synthetic study; `make errors`: write docs/errors.md;
# `make golden`: say which code gives which numbers. Each sets up .venv first.
PYTHON ?= python3
BIN := .venv/bin
LOCK := envs/requirements.lock
SLURM := slurm-wlm slurmdbd munge mariadb-server
BROWSER := chromium chromium-driver
KILLS ?= 200
TWO := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test quick test-slurm test-browser test-spatialdata kill bench published published-synthetic errors golden lint
.DELETE_ON_ERROR:

demo: .venv/ready
	$(BIN)/snakemake --cores all
	@echo "Page:   results/demo/index.html"
	@echo "Table:  results/demo/tables/summary.tsv"
	@echo "Report: results/demo/report.html"

test: lint
	$(BIN)/python -m pytest $(TWO)

quick: lint
	$(BIN)/python -m pytest $(TWO) tests/unit tests/golden

test-slurm: .venv/ready
	@{ command -v slurmctld && command -v munged && command -v slurmdbd && command -v mariadbd; } \
		> /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null || \
		{ echo "install $(SLURM), or be root on Debian" >&2; exit 1; }; \
		apt-get update -q && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -q --no-install-recommends $(SLURM); }
	$(BIN)/python -m pytest tests/cluster

test-browser: .venv/ready
	@{ command -v chromium && command -v chromedriver; } > /dev/null || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null || \
		{ echo "install $(BROWSER), or be root on Debian" >&2; exit 1; }; \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive \
		apt-get -o DPkg::Lock::Timeout=600 install -y -q --no-install-recommends $(BROWSER); }
	$(BIN)/python -m pytest tests/browser

test-spatialdata: .venv/ready
	$(BIN)/python -m pytest tests/library

kill: .venv/ready
	$(BIN)/python tests/faults/kill.py $(KILLS)

errors: .venv/ready
	ERRORS=write $(BIN)/python -m pytest tests/unit/test_bad_input.py

golden: .venv/ready
	GOLDEN=write $(BIN)/python -m pytest tests/golden/test_numbers.py

published: .venv/ready
	$(BIN)/python workflow/published.py

published-synthetic: .venv/ready
	$(BIN)/snakemake --cores all --configfile config/published/strank_synthetic.yaml
	@echo "Tables:  results/strank_synthetic/tables/strank_table1.md, strank_table3.md"
	@echo "Figures: results/strank_synthetic/figures/"

bench: .venv/ready
	$(BIN)/python tests/benchmarks/bench_fit.py
	$(BIN)/python tests/benchmarks/bench_published.py
	$(BIN)/python tests/benchmarks/bench_embed.py
	$(BIN)/python tests/benchmarks/bench_starts.py
	$(BIN)/python tests/benchmarks/bench_heads.py
	$(BIN)/python tests/benchmarks/bench_import.py
	$(BIN)/python tests/benchmarks/bench_predict.py
	$(BIN)/python tests/benchmarks/bench_ridge.py
	$(BIN)/python tests/benchmarks/bench_tables.py

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint
	PYTHONPATH=workflow $(BIN)/lint-imports

.venv/ready: $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "spotrank needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	@# Snakemake starts .venv/bin/python through a shell, unquoted
	@$(PYTHON) -c 'import os, re, sys; sys.exit(re.search(r"[^\w/.,+@%=-]", os.getcwd()) is not None)' || \
		{ echo "Snakemake can't run in a folder whose path has a space or a sign that shells know;" \
		"move the clone to another." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		"$$(grep ^uv== $(LOCK))"
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps -r $(LOCK)
	touch $@
