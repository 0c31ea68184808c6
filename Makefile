# What a user runs: `make demo`, `make test`. What a developer runs: `make check`.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PAGE := client-config/web/page

.PHONY: setup models demo demo-web check format test test-engines editors test-editors bench eval eval-quick eval-edits vscode web clean

setup: $(READY)

# llama-cpp-python is compiled here, for this machine's CPU. Its progress is what Ninja prints.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Midfill needs Python 3.11 or newer; set PYTHON=/path/to/python3.11."; exit 1; }
	@command -v c++ >/dev/null || command -v g++ >/dev/null \
		|| { echo "Building llama.cpp needs a C++ compiler: apt-get install build-essential."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
		|| { echo "No virtual environment could be made: apt-get install python3-venv."; exit 1; }
	@echo "Installing. llama.cpp is built from source once, which takes about five minutes on two cores."
	@set -o pipefail; $(BIN)/pip install -v -e '.[dev]' 2>&1 | tee .venv/install.log | $(PROGRESS) \
		|| { tail -n 40 .venv/install.log; echo "The installation failed; .venv/install.log has it all."; exit 1; }
	@touch $@

# Shows `[step/steps]` on one line of a terminal, or every tenth part in a log.
PROGRESS := awk -v tty=$$([ -t 1 ] && echo 1) '\
	match($$0, /\[[0-9]+\/[0-9]+\]/) { \
		split(substr($$0, RSTART + 1, RLENGTH - 2), step, "/"); tenth = int(step[1] * 10 / step[2]); \
		if (tty) printf "\r  building llama.cpp: %d of %d", step[1], step[2]; \
		else if (tenth != last) { last = tenth; print "  building llama.cpp: " tenth * 10 "%" } \
		fflush() } \
	/Successfully installed.* midfill/ { if (tty) print ""; print "  installed"; fflush() }'

models: setup
	@$(BIN)/midfill models fetch

demo: models
	@$(BIN)/midfill demo $(FILE)

# Monaco in a page, on this machine only; needs Node 20. Prints the address to open.
demo-web: models web
	@$(BIN)/midfill serve --ws --page $(PAGE)

check: setup
	$(BIN)/ruff format --check server tests
	$(BIN)/ruff check server tests
	$(BIN)/mypy
	$(BIN)/pytest -m "not model"

format: setup
	$(BIN)/ruff check --fix server tests
	$(BIN)/ruff format server tests

test: models
	$(BIN)/pytest

# What the editors' tests need is installed under build/editors, not into .venv. VS Code and the page need Node 20 and
# Chromium.
EDITORS := build/editors

editors: models vscode web \
		$(EDITORS)/site/.ready $(EDITORS)/vscode/.ready $(EDITORS)/web/.ready $(EDITORS)/debian/.ready

test-editors: editors
	PYTHONPATH=$(EDITORS)/site timeout -k 10 1800 $(BIN)/pytest tests/editors
	timeout -k 10 1800 node --test --test-reporter=spec tests/editors/vscode/vscode.test.mjs
	timeout -k 10 1800 node --test --test-reporter=spec tests/editors/web/web.test.mjs

$(EDITORS)/site/.ready: tests/editors/requirements.txt
	@$(BIN)/pip install --quiet --upgrade --target $(EDITORS)/site -r $<
	@touch $@

$(EDITORS)/vscode/.ready: tests/editors/vscode/package.json tests/editors/vscode/install.sh
	@if ! { command -v chromium && command -v rg; } >/dev/null; then \
		test $$(id -u) = 0 || { echo "Missing: apt-get install chromium ripgrep."; exit 1; }; \
		apt-get update -qq && apt-get install -y --no-install-recommends chromium ripgrep; fi
	@tests/editors/vscode/install.sh $(EDITORS)/vscode
	@touch $@

$(EDITORS)/web/.ready: tests/editors/web/package.json
	@mkdir -p $(@D) && cp $< $(@D)
	@cd $(@D) && npm install --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(EDITORS)/debian/.ready: tests/editors/debian.sh
	@if ! { command -v emacs && command -v vim && command -v kak; } >/dev/null; then \
		test $$(id -u) = 0 || { echo "Missing: apt-get install emacs-nox vim kakoune."; exit 1; }; \
		apt-get update -qq && apt-get install -y --no-install-recommends emacs-nox vim kakoune; fi
	@$< $(@D)
	@touch $@

# The contract with a real llama-server, which is built on first use; or with SERVER=url MODEL=its-name BLOCK=tokens.
export SERVER MODEL BLOCK
test-engines: models
	$(BIN)/pytest tests/engines/contract.py

# The peer, a llama-server of the same llama.cpp, is built on first use. Figures and picture go to build/bench/.
bench: models
	@$(BIN)/pip install --quiet -e '.[bench]'
	@mkdir -p build/bench
	@$(BIN)/python tests/bench/with_llama_server.py $(BIN)/midfill bench typing \
		--json build/bench/typing.json --plot build/bench/typing.png $(BENCH)
	@$(BIN)/midfill bench edit --json build/bench/edit.json

# EVAL is the folder of the data. `eval` compares with a llama-server, which is built on first use.
WITH_PEER := $(BIN)/python tests/bench/with_llama_server.py
PEER_BUILT := $(wildcard build/bench/llama_cpp_python-*/output/bin/llama-server)

eval: models
	@test -d "$(EVAL)" || { echo "Say where the data is: make $@ EVAL=path/to/data."; exit 2; }
	@$(BIN)/pip install --quiet -e '.[bench]'
	@mkdir -p build/eval
	@$(WITH_PEER) $(BIN)/python tests/eval/run.py "$(EVAL)" \
		--json build/eval/eval.json --plot build/eval/eval.png --curve build/eval/confidence.svg
	@$(BIN)/python tests/eval/edits.py "$(EVAL)" --json build/eval/edits.json

# A sample, without the peer if its server is not there.
eval-quick: models
	@test -d "$(EVAL)" || { echo "Say where the data is: make $@ EVAL=path/to/data."; exit 2; }
	@$(if $(PEER_BUILT),$(WITH_PEER)) $(BIN)/python tests/eval/run.py "$(EVAL)" \
		--limit 2 --minutes 4 --systems midfill,raw,infill

# The edits of code actions beside the same model's zero-shot answers.
eval-edits: models
	@test -d "$(EVAL)" || { echo "Say where the data is: make $@ EVAL=path/to/data."; exit 2; }
	@mkdir -p build/eval
	@$(BIN)/python tests/eval/edits.py "$(EVAL)" --json build/eval/edits.json

# The extension carries the server's wheel, which it can install in an environment of its own.
vscode:
	@command -v npm >/dev/null || { echo "The extension needs Node 20 or newer, with npm: https://nodejs.org."; exit 1; }
	rm -rf client-config/vscode/server
	$(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir client-config/vscode/server .
	cd client-config/vscode && npm ci && npm run check && npm run package

# The page with Monaco, built again when something of it has changed.
web: $(PAGE)/index.html

$(PAGE)/index.html: client-config/web/package-lock.json client-config/web/build.mjs $(wildcard client-config/web/src/*)
	@command -v npm >/dev/null || { echo "The page needs Node 20 or newer, with npm: https://nodejs.org."; exit 1; }
	cd client-config/web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache build dist $(PAGE)
