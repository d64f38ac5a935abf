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
