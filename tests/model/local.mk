# Run by tests/e2e/test_models.py, and by hand with tests/model/run.
EXTRA_DIST += \
	tests/model/__init__.py \
	tests/model/memory.py \
	tests/model/ring.py \
	tests/model/run \
	tests/model/turns.py
