# Whether src/ is built as doc/architecture.md says; `make structure` runs it alone.
EXTRA_DIST += tests/structure/run tests/structure/allowed

if HAVE_PYTHON
TESTS += tests/structure/run
endif

.PHONY: structure
structure: all
	$(top_srcdir)/tests/structure/run --source $(top_srcdir)
