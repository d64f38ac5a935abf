# The benchmark: `make bench` builds it and compares the daemon with the bare relay and with the
# peers; what it prints is explained in doc/performance.md. The peers are built by tests/bench/run,
# where their libraries are installed (scripts/setup --bench).
BENCH_TOOLS = bench_sender bench_relay bench_drain bench_ring bench_idle_server
EXTRA_PROGRAMS += $(BENCH_TOOLS)
CLEANFILES += $(BENCH_TOOLS) gateway_go gateway_lws

BENCH_SHARED = tests/bench/bench.c tests/bench/bench.h
BENCH_LATENCY = tests/bench/latency.c tests/bench/latency.h
BENCH_STREAM = tests/bench/stream.c tests/bench/stream.h

bench_sender_SOURCES = tests/bench/bench_sender.c tests/bench/block.c tests/bench/block.h \
	$(BENCH_STREAM) $(BENCH_SHARED)
bench_sender_LDADD = $(SSL_LIBS) $(ZLIB_LIBS)
bench_relay_SOURCES = tests/bench/bench_relay.c $(BENCH_STREAM) $(BENCH_SHARED)
bench_relay_LDADD = $(SSL_LIBS) $(ZLIB_LIBS)
bench_drain_SOURCES = tests/bench/bench_drain.c $(BENCH_LATENCY) $(BENCH_SHARED)
bench_drain_LDADD = $(SSL_LIBS)
bench_ring_SOURCES = tests/bench/bench_ring.c $(BENCH_LATENCY) $(BENCH_SHARED)
bench_ring_LDADD = $(SSL_LIBS) $(JANSSON_LIBS)
bench_idle_server_SOURCES = tests/bench/bench_idle_server.c $(BENCH_SHARED)
bench_idle_server_LDADD = $(SSL_LIBS)

EXTRA_DIST += tests/bench/run tests/bench/chart tests/bench/idle tests/bench/profile \
	tests/bench/scale tests/bench/storm tests/bench/bench.py tests/bench/gateways.py tests/bench/measure.py \
	tests/bench/report.py \
	tests/bench/peers/gateway.go tests/bench/peers/gateway.js tests/bench/peers/gateway.py \
	tests/bench/peers/gateway_lws.c

.PHONY: bench bench-programs
bench-programs: wsgated wsgatectl $(BENCH_TOOLS)
bench: bench-programs
	$(top_srcdir)/tests/bench/run --build $(top_builddir) $(BENCH_FLAGS)
