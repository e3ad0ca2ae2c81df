# Two commands set everything up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV_VERSION := 0.13.9

.PHONY: demo test check format bench lock schema clean

demo: $(STAMP)
	$(BIN)/tideline demo $(ARGS)

test: $(STAMP)
	$(BIN)/pytest $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/tideline bench $(ARGS)

schema: $(STAMP)
	$(BIN)/tideline schema --out schemas/generated
	$(BIN)/tideline schema --openapi > docs/openapi.json
	$(BIN)/tideline features --markdown > docs/features.md
	$(BIN)/tideline rules --markdown > docs/rules.md
	$(BIN)/tideline models --markdown > docs/models.md
	$(BIN)/tideline rules --schema > detectors/rulebooks/rules.schema.json
	$(BIN)/tideline products --markdown > docs/products.md
	$(BIN)/tideline products --schema product > credit/products/product.schema.json
	$(BIN)/tideline products --schema policy > credit/policies/policy.schema.json

# Dependencies are installed from the lock file with hashes, then the project itself.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	touch $@

lock: $(STAMP)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --group dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate pyproject.toml -o requirements-runtime.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate bench/peers/requirements.in -o bench/peers/requirements.txt

clean:
	rm -rf $(VENV) .venv-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis
