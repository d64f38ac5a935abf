check_PROGRAMS += unit_ws
TESTS += unit_ws
unit_ws_SOURCES = \
	tests/unit/endpoint_harness.c tests/unit/endpoint_harness.h \
	tests/unit/test_ws.c tests/unit/test_ws.h \
	tests/unit/test_ws_deflate.c \
	tests/unit/test_ws_endpoint.c \
	tests/unit/test_ws_endpoint_liveness.c \
	tests/unit/test_ws_endpoint_sending.c \
	tests/unit/test_ws_endpoint_time.c \
	tests/unit/test_ws_handshake.c \
	tests/unit/test_ws_message_queue.c \
	tests/unit/test_ws_receiver.c \
	tests/unit/test_ws_utf8.c \
	tests/unit/test_ws_watch.c
unit_ws_CFLAGS = $(UNIT_CFLAGS)
unit_ws_LDADD = $(WS_LIBS) $(CHECK_LIBS)
