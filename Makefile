# Every recipe is a line; what it does stands in scripts/. Works with GNU make 3.81.

.DEFAULT_GOAL := help
.PHONY: help demo setup setup-models test test-browser test-compose test-deploy test-models lint bench bench-models capacity lock clean

help: ## Show what there is to make
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## Set up, start everything, speak a recorded question and hear the answer
	@scripts/setup.sh local
	@scripts/in-venv.sh antiphon demo

setup: ## Make .venv with all that development needs; a second time does nothing
	@scripts/setup.sh dev

setup-models: ## Make the environment of an engine on PyTorch: EXTRA=stt-parakeet or EXTRA=tts-qwen3
	@scripts/setup.sh $(EXTRA)

test: setup ## Lint, types, contract, then all tests
	@scripts/test.sh

test-models: ## Make .venv-models and run the tests of the engines on PyTorch, on small models made for them
	@scripts/test-models.sh

test-browser: setup ## Test the page and WebRTC in Chromium, and clients in Node.js
	@scripts/test-browser.sh

test-compose: setup ## Build the images, start them with compose, and test what runs; needs Docker
	@scripts/test-compose.sh

test-deploy: ## Make .venv-deploy and check Dockerfiles, compose files and manifests; starts no container
	@scripts/test-deploy.sh

lint: setup ## Lint, types and contract alone
	@scripts/test.sh lint

bench: setup ## Measure, where there is something to measure
	@scripts/bench.sh

bench-models: ## Measure the full-size engines on PyTorch, with random weights; on a GPU if there is one
	@scripts/bench-models.sh

capacity: ## How many replicas so many conversations need: CONVERSATIONS="10 1000", PROFILE=cpu or gpu, FIGURES=…, JSON=1
	@scripts/capacity.sh

lock: ## Write requirements/*.lock anew from pyproject.toml
	@scripts/lock.sh

clean: ## Remove what was made here, environments included; fetched models stay
	@scripts/clean.sh
