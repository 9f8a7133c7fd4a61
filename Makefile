# Showdown: every everyday command. `make help` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
BIN := .venv/bin
C_SOURCES = $(shell find bpf workers -name '*.[ch]')
PIP_COMPILE = -q --strip-extras --generate-hashes --allow-unsafe --no-header --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host
C_PROGRAMS = workers/traffic workers/relay

.PHONY: help setup showdown test check fmt up bench-traffic bench-slices bench-focus bench-real-time bench-stream bench-series bench-probes bench-scale bench-million bench-hosts bench-words bench-truth faults fuzz matrix pictures lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing (Debian packages, .venv) and build; silent when nothing is to do
	@deploy/bootstrap.sh
	@for program in $(C_PROGRAMS); do $(MAKE) --no-print-directory -s -C $$program || exit 1; done

showdown: setup ## Set up, then run the reference campaign: TPROXY against eBPF
	@$(BIN)/showdown run deploy/campaigns/showdown.toml

test: setup ## Set up, then run every test (root: the kernel tests too)
	@$(BIN)/python -m tests.suite

check: setup ## Lint, types, import rules, C format; sizes, words, sentences, links, privates in tests, stale documents and pictures
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@clang-format --dry-run -Werror $(C_SOURCES)
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/python -m tests.house
	@$(BIN)/python -m tests.pictures --check

fmt: setup ## Format Python and C
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .
	@clang-format -i $(C_SOURCES)

up: setup ## Set up, then keep coordinator and worker running; prints the address and the login token
	@$(BIN)/showdown up

bench-traffic: setup ## The own generator beside wrk and h2load, as ratios; the last line is JSON (root, 5 min)
	@$(BIN)/python -m tests.bench.traffic

bench-slices: setup ## How long a slice should be: A/A error by slice length; the last line is JSON (root, 4 min)
	@$(BIN)/python -m tests.bench.slices

bench-focus: setup ## How long trials of focused blocks should be: a pair's spread by slices; the last line is JSON (root, 5 min); DOCS=1: into docs/method.md
	@$(BIN)/python -m tests.bench.focus $(if $(DOCS),--write-docs)

bench-real-time: setup ## What the generator's real-time priority does; the last line is JSON (root, 5 min); DOCS=1: into docs/traffic.md
	@$(BIN)/python -m tests.bench.real_time $(if $(DOCS),--write-docs)

bench-stream: setup ## Telemetry through the stream beside a plain client, as a ratio; the last line is JSON (2 min)
	@$(BIN)/python -m tests.bench.stream

bench-series: setup ## What a year of telemetry costs InfluxDB in series, before and now; the last line is JSON (2 min)
	@$(BIN)/python -m tests.bench.series

bench-probes: setup ## What watching costs; the last line is JSON (root, 5 min); DOCS=1: into docs/probes/index.md
	@$(BIN)/python -m tests.bench.probes $(if $(DOCS),--write-docs)

bench-scale: setup ## The largest campaign: what its blocks, report and pages cost; the last line is JSON (8 min); QUICK=1: 1 min
	@$(BIN)/python -m tests.bench.scale $(if $(QUICK),--blocks 40)

bench-million: setup ## Pages, REST and submissions with a million trials stored; the last line is JSON (12 GB, 20 min); DB=postgresql, QUICK=1: 1 min
	@$(BIN)/python -m tests.bench.million $(if $(DB),--database $(DB)) $(if $(QUICK),--trials 20000 --asked 50)

bench-hosts: setup ## A thousand simulated hosts on one coordinator; the last line is JSON (5 min); DB=postgresql, QUICK=1: 1 min
	@$(BIN)/python -m tests.bench.fleet $(if $(DB),--database $(DB)) $(if $(QUICK),--hosts 60)

bench-words: setup ## How often verdicts are wrong and what they find, by simulation; the last line is JSON (12 min)
	@$(BIN)/python -m tests.bench.words

bench-truth: setup ## Causes of known size, and what campaigns find of them; the last line is JSON (root, 25 min); QUICK=1: 2 min
	@$(BIN)/python -m tests.bench.truth $(if $(QUICK),--quick)

faults: setup ## Crashes, killed, cut off and paused parts, other versions, slow clients: the long forms; the last line is JSON (root, 30 min)
	@$(BIN)/python -m tests.faults

fuzz: setup ## Hostile requests, messages and reports; random faults in simulated time; the last line is JSON (10 min); SEED=n repeats a run
	@$(BIN)/python -m tests.fuzz $(if $(SEED),--seed $(SEED))

matrix: setup ## What each datapath preserves and supports, tested on this host (root, 1 min); DOCS=1: into docs/datapaths/traits.md
	@$(BIN)/showdown matrix $(if $(DOCS),--write-docs)

pictures: setup ## Draw the pictures of pages that changed into docs/images, after axe-core looked at them (1 min)
	@$(BIN)/python -m tests.pictures

lock: setup ## Resolve both locks anew from pyproject.toml: with the tools of development, and without
	@$(BIN)/pip-compile $(PIP_COMPILE) --all-extras -o requirements.lock pyproject.toml
	@cp requirements.lock requirements-production.lock
	@$(BIN)/pip-compile $(PIP_COMPILE) --extra build -o requirements-production.lock pyproject.toml

clean: ## Remove caches and what was built; .venv stays
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist *.egg-info
	@for program in $(C_PROGRAMS); do $(MAKE) --no-print-directory -s -C $$program clean; done
