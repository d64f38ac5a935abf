# The benchmark: `make bench` builds it and runs the comparison with the bare relay; what it prints
# is explained in doc/performance.md.
BENCH_TOOLS = bench_sender bench_relay bench_drain bench_idle_server
EXTRA_PROGRAMS += $(BENCH_TOOLS)
CLEANFILES += $(BENCH_TOOLS)

bench_sender_SOURCES = tests/bench/bench_sender.c tests/bench/block.c tests/bench/block.h \
	tests/bench/bench.c tests/bench/bench.h
bench_sender_LDADD = $(SSL_LIBS) $(ZLIB_LIBS)
bench_relay_SOURCES = tests/bench/bench_relay.c tests/bench/bench.c tests/bench/bench.h
bench_relay_LDADD = $(SSL_LIBS) $(ZLIB_LIBS)
bench_drain_SOURCES = tests/bench/bench_drain.c tests/bench/bench.c tests/bench/bench.h
bench_drain_LDADD = $(SSL_LIBS)
bench_idle_server_SOURCES = tests/bench/bench_idle_server.c tests/bench/bench.c tests/bench/bench.h
bench_idle_server_LDADD = $(SSL_LIBS)

EXTRA_DIST += tests/bench/run tests/bench/idle tests/bench/scale tests/bench/storm \
	tests/bench/bench.py

.PHONY: bench bench-programs
bench-programs: wsgated wsgatectl $(BENCH_TOOLS)
bench: bench-programs
	$(top_srcdir)/tests/bench/run --build $(top_builddir) $(BENCH_FLAGS)
