#!/bin/sh
# The lowest versions that pyproject.toml promises: resolved, installed into .venv-lowest, and tested with the
# suites that depend on them most, and with every verb of the program. Part of `make test-long`; about ten minutes on 2 cores.
set -eu
cd "$(dirname "$0")/.."
UV=.venv/bin/uv
LOW=.venv-lowest
find_links() { "$@" ${PIP_FIND_LINKS:+--find-links "$PIP_FIND_LINKS"}; }

echo "==> resolving the lowest versions"
"$UV" venv --quiet --clear --python .venv/bin/python "$LOW"
find_links "$UV" pip compile --quiet --resolution lowest-direct \
  --extra studio --extra grpc --extra telemetry --extra boosting --extra skops --extra postgres --extra clouds --extra explain --extra fairness --extra robust --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links --python "$LOW/bin/python" pyproject.toml -o "$LOW/lowest.txt"
grep -E '^(scikit-learn|pandas|numpy|pyarrow|onnxruntime|mlflow-skinny|sqlalchemy|granian|msgspec|grpcio|protobuf|xgboost-cpu|lightgbm|skops)==' "$LOW/lowest.txt"

echo "==> installing them into $LOW (a minute or two)"
find_links "$UV" pip install --quiet --python "$LOW/bin/python" -r "$LOW/lowest.txt"
# The tools of the tests themselves are those of the lock, except the one that must fit the lowest grpcio.
find_links "$UV" pip install --quiet --python "$LOW/bin/python" -c "$LOW/lowest.txt" grpcio-tools \
  $(grep -oE '^(pytest|pytest-timeout|hypothesis|polars|schemathesis|jsonschema-rs|skl2onnx)==[^ ;]+' requirements/dev.txt)

find_links "$UV" pip install --quiet --python "$LOW/bin/python" -r requirements/build.txt
"$UV" pip install --quiet --python "$LOW/bin/python" --no-deps --no-build-isolation -e .

echo "==> tests on them (some minutes)"
OMP_NUM_THREADS=1 "$LOW/bin/python" -m pytest -q -m "not long" -p no:cacheprovider \
  tests/unit/stats tests/unit/profile tests/unit/tables tests/unit/compile tests/unit/train tests/unit/evaluate \
  tests/unit/bundle tests/unit/wire tests/unit/capture tests/unit/serve tests/unit/state tests/unit/project \
  tests/unit/registry tests/ports tests/journeys/test_cli_verbs.py tests/journeys/test_cli_mistakes.py "$@"
