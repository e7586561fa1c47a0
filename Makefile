# Short names for what is done often; CMake does the work. `make help` tells.

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
FUZZ_SECONDS ?= 60

export CMAKE_BUILD_PARALLEL_LEVEL = $(JOBS)

.DEFAULT_GOAL := help
.PHONY: run check test test-long bench bench-report fuzz docs deb format sizes coverage clean \
	help

run: ## Build the tour and run it: a chain of stores on one event loop
	@scripts/install-deps run
	@scripts/quiet cmake --preset release
	@scripts/quiet cmake --build --preset release --target example-tour
	@build/release/bin/tour build/tour-data

check: ## Build and run the quick tests: some two minutes on two processors
	@scripts/install-deps test
	@scripts/test --quick

test: ## Build and run all tests, with sanitizers, valgrind and clang
	@scripts/install-deps test
	@scripts/test

test-long: ## The same, with the tests that take long
	@scripts/install-deps test
	@scripts/test --long

bench: ## Build and run the benchmarks; keep the machine idle meanwhile
	@scripts/install-deps test
	@scripts/quiet cmake --preset release
	@scripts/quiet cmake --build --preset release
	@scripts/bench build/release

bench-report: ## The same, and draw what they print, to docs/charts
	@scripts/install-deps test
	@scripts/quiet cmake --preset release
	@scripts/quiet cmake --build --preset release
	@scripts/bench-report

fuzz: ## Run each fuzz target for FUZZ_SECONDS (60)
	@scripts/install-deps fuzz
	@scripts/quiet cmake --preset fuzz
	@scripts/quiet cmake --build --preset fuzz --target fuzzers
	@scripts/fuzz build/fuzz $(FUZZ_SECONDS)

docs: ## Write the reference and the pages as HTML, and the manual pages, to build/docs
	@scripts/install-deps docs
	@scripts/docs

deb: ## Cut the Debian packages, to build/deb
	@scripts/install-deps deb
	@scripts/quiet scripts/deb
	@ls build/deb/*.deb

format: ## Let clang-format lay out the sources
	@scripts/install-deps format
	@scripts/format

sizes: ## Report the sizes of files and functions; fail over the limits
	@scripts/sizes

coverage: ## Run the tests counting lines; print the coverage of src/
	@scripts/install-deps coverage
	@scripts/coverage

clean: ## Remove all that was built
	rm -rf build

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)
