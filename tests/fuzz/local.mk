# Fuzz targets with libFuzzer: ../configure CC=clang --enable-fuzzing && make fuzz. See README.md.
EXTRA_DIST += tests/fuzz/README.md tests/fuzz/corpus

FUZZ_TARGETS = fuzz_client fuzz_control fuzz_endpoint fuzz_frames fuzz_handshake fuzz_http fuzz_proxy fuzz_refusal
LINK_FUZZER = $(AM_LDFLAGS) -fsanitize=fuzzer

if FUZZING
EXTRA_PROGRAMS += $(FUZZ_TARGETS)

fuzz_client_SOURCES = tests/fuzz/fuzz_client.c
fuzz_client_LDFLAGS = $(LINK_FUZZER)
fuzz_client_LDADD = $(CLIENT_LIBS)

fuzz_control_SOURCES = tests/fuzz/fuzz_control.c
fuzz_control_LDFLAGS = $(LINK_FUZZER)
fuzz_control_LDADD = libcontrol.a $(WS_LIBS) $(JANSSON_LIBS) $(CONFIG_LIBS)

fuzz_endpoint_SOURCES = tests/fuzz/fuzz_endpoint.c
fuzz_endpoint_LDFLAGS = $(LINK_FUZZER)
fuzz_endpoint_LDADD = $(WS_LIBS)

fuzz_frames_SOURCES = tests/fuzz/fuzz_frames.c
fuzz_frames_LDFLAGS = $(LINK_FUZZER)
fuzz_frames_LDADD = $(WS_LIBS)

fuzz_handshake_SOURCES = tests/fuzz/fuzz_handshake.c
fuzz_handshake_LDFLAGS = $(LINK_FUZZER)
fuzz_handshake_LDADD = $(WS_LIBS)

fuzz_http_SOURCES = tests/fuzz/fuzz_http.c
fuzz_http_LDFLAGS = $(LINK_FUZZER)
fuzz_http_LDADD = $(BASE_LIBS)

fuzz_proxy_SOURCES = tests/fuzz/fuzz_proxy.c
fuzz_proxy_LDFLAGS = $(LINK_FUZZER)
fuzz_proxy_LDADD = $(NET_LIBS)

fuzz_refusal_SOURCES = tests/fuzz/fuzz_refusal.c
fuzz_refusal_LDFLAGS = $(LINK_FUZZER)
fuzz_refusal_LDADD = $(GATEWAY_LIBS)

fuzz: $(FUZZ_TARGETS)
endif

# The same targets with a main() of their own, in every build: `make check` runs them with the corpus.

check_PROGRAMS += replay_client
TESTS += replay_client
replay_client_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_client.c
replay_client_CPPFLAGS = $(AM_CPPFLAGS) -DREPLAY_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/client"'
replay_client_LDADD = $(CLIENT_LIBS)

check_PROGRAMS += replay_control
TESTS += replay_control
replay_control_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_control.c
replay_control_CPPFLAGS = $(AM_CPPFLAGS) -DREPLAY_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/control"'
replay_control_LDADD = libcontrol.a $(WS_LIBS) $(JANSSON_LIBS) $(CONFIG_LIBS)

check_PROGRAMS += replay_endpoint
TESTS += replay_endpoint
replay_endpoint_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_endpoint.c
replay_endpoint_CPPFLAGS = $(AM_CPPFLAGS) -DREPLAY_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/endpoint"'
replay_endpoint_LDADD = $(WS_LIBS)

check_PROGRAMS += replay_frames
TESTS += replay_frames
replay_frames_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_frames.c
replay_frames_CPPFLAGS = $(AM_CPPFLAGS) -DREPLAY_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/frames"'
replay_frames_LDADD = $(WS_LIBS)

check_PROGRAMS += replay_handshake
TESTS += replay_handshake
replay_handshake_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_handshake.c
replay_handshake_CPPFLAGS = $(AM_CPPFLAGS) -DREPLAY_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/handshake"'
replay_handshake_LDADD = $(WS_LIBS)

check_PROGRAMS += replay_http
TESTS += replay_http
replay_http_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_http.c
replay_http_CPPFLAGS = $(AM_CPPFLAGS) -DREPLAY_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/http"'
replay_http_LDADD = $(BASE_LIBS)

check_PROGRAMS += replay_proxy
TESTS += replay_proxy
replay_proxy_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_proxy.c
replay_proxy_CPPFLAGS = $(AM_CPPFLAGS) -DREPLAY_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/proxy"'
replay_proxy_LDADD = $(NET_LIBS)

check_PROGRAMS += replay_refusal
TESTS += replay_refusal
replay_refusal_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_refusal.c
replay_refusal_CPPFLAGS = $(AM_CPPFLAGS) -DREPLAY_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/refusal"'
replay_refusal_LDADD = $(GATEWAY_LIBS)
