# Run by tests/e2e/test_ring_model.py, and by hand with tests/model/run.
EXTRA_DIST += \
	tests/model/__init__.py \
	tests/model/memory.py \
	tests/model/ring.py \
	tests/model/run
