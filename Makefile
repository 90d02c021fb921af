# Two commands do everything, set-up included: `make demo` and `make test`.
PYTHON ?= python3
ENV := .venv/.ready

demo: $(ENV)
	.venv/bin/defectgen run --config configs/demo.yaml

test: $(ENV)
	.venv/bin/ruff check .
	.venv/bin/mypy
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 -m "not slow"

# The full study of a product, for hours: every arm, five seeds, and what 5 and 10 pictures per class would have given.
PRODUCT ?= magnetic_tile
FULL := --export.although_it_hurts true --evaluate.seeds 5 --evaluate.arms [real,augmented,copy_paste,perlin,ungated,selected,sham,reserve]

study: $(ENV)
	.venv/bin/defectgen run --config configs/$(PRODUCT).yaml $(FULL)
	.venv/bin/defectgen run --config configs/$(PRODUCT).yaml $(FULL) --product $(PRODUCT)_5 --ingest.shots 5
	.venv/bin/defectgen run --config configs/$(PRODUCT).yaml $(FULL) --product $(PRODUCT)_10 --ingest.shots 10

# torch comes first and alone: a range would take a build with gigabytes of CUDA.
$(ENV): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed')"
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --constraint constraints.txt torch==2.13.0
	.venv/bin/pip install --quiet --constraint constraints.txt --editable .[dev]
	touch $@

.PHONY: demo test study
