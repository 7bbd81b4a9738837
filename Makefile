# The commands of this repository. `make` lists them.

# Crates build from the committed .sqlx, whatever DATABASE_URL is set for.
export SQLX_OFFLINE ?= true
ARGS ?=

.DEFAULT_GOAL := help
BENCH = taskset -c 1 bench/target/release/bench

.PHONY: help run dev test test-long fuzz fmt lint screenshots assets sqlx-data release bench counts

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: ## Install what is missing, build, and run everything with a demo on http://localhost:8001
	@scripts/bootstrap run
	@PATH="$$HOME/.cargo/bin:$$PATH" cargo run --quiet -- serve --demo $(ARGS)

dev: ## Like run, and build and restart when a source changes
	@scripts/bootstrap run
	@PATH="$$HOME/.cargo/bin:$$PATH" scripts/dev $(ARGS)

test: ## Run every test, those in the browser too; ARGS go to the runner
	@scripts/bootstrap test
	@PATH="$$HOME/.cargo/bin:$$PATH" scripts/test $(ARGS)

fuzz: ## Try the parsers with bytes that cargo-fuzz makes up, 60 s each; ARGS name targets
	@scripts/bootstrap fuzz
	@PATH="$$HOME/.cargo/bin:$$PATH" scripts/fuzz $(ARGS)

test-long: ## Run the tests that take long, such as those with very long bodies or with other servers
	@scripts/bootstrap long
	@PATH="$$HOME/.cargo/bin:$$PATH" cargo nextest run --workspace --run-ignored only $(ARGS)

fmt: ## Format the code
	cargo fmt --all

lint: ## Check format and lints as CI does
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

screenshots: ## Take the pictures of the documents from the running product
	@scripts/bootstrap test
	@PATH="$$HOME/.cargo/bin:$$PATH" scripts/screenshots

assets: ## Build what the web pages send to browsers
	cd web && npm ci && npm run build

sqlx-data: ## Describe the queries anew after changing one, or a migration
	scripts/sqlx-data

release: ## Build the optimised binary, target/release/gatehouse; takes long
	cargo build --release --locked

bench: ## Measure beside nginx, HAProxy and bare Pingora; ARGS choose scenarios, `ARGS=quick` is short
	@scripts/bootstrap bench
	@PATH="$$HOME/.cargo/bin:/usr/sbin:$$PATH"; export PATH; \
	cargo build --release --locked && (cd bench && cargo build --release --locked) && $(BENCH) $(ARGS)

counts: ## Count the instructions of a request's steps; one that takes more than it may fails
	@scripts/bootstrap counts
	@PATH="$$HOME/.cargo/bin:$$PATH" cargo bench --locked --quiet --package gateway --profile counted --bench instructions
