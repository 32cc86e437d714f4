# A newcomer's two commands are `make demo` and `make test`. Set-up (tools/setup.sh) runs once, into .venv.
# ARGS reaches the command behind a target: make demo ARGS="--seed 7", make test ARGS=tests/market

.DEFAULT_GOAL := help
.PHONY: help demo dev test chaos check check-types check-style check-secrets notebooks bench docs runtime development

BIN := .venv/bin
PYTEST_WORKERS ?= 2

help: ## show these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: runtime ## run a whole simulated trading day through Dagster into DuckDB, in a world of its own
	@$(BIN)/g6 demo $(ARGS)

dev: runtime ## open the Dagster UI with sensors and a market that is open now (Kite, if KITE_API_KEY is set)
	@$(BIN)/g6 dev $(ARGS)

test: development ## run the tests
	@$(BIN)/python -m pytest -q -n $(PYTEST_WORKERS) --dist worksteal $(ARGS)

chaos: runtime ## prove on 40 simulated days full of faults that nothing is lost or invented
	@$(BIN)/g6 chaos $(ARGS)

check: development ## lint, format, types, import contracts, Dagster definitions, secrets
	@$(MAKE) --no-print-directory -j 2 check-types check-style check-secrets

check-types:
	$(BIN)/basedpyright --level error

check-style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m tools.check_definitions

check-secrets:
	$(BIN)/python -m tools.secret_scan

notebooks: development ## open the notebooks on the newest world, in the browser
	@$(BIN)/marimo edit notebooks $(ARGS)

docs: development ## build the documentation site into build/site; a warning is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: development ## measure, and write benchmarks/results.json
	@$(BIN)/python -m benchmarks $(ARGS)

runtime:
	@sh tools/setup.sh runtime

development:
	@sh tools/setup.sh dev
