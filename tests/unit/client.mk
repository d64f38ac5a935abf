check_PROGRAMS += unit_client
TESTS += unit_client
unit_client_SOURCES = \
	tests/unit/client_harness.c tests/unit/client_harness.h \
	tests/unit/test_client.c \
	tests/unit/test_client_bytes.c \
	tests/unit/test_client_lap.c \
	tests/unit/test_client_open.c \
	tests/unit/test_client_ring.c \
	tests/unit/test_client_send.c
unit_client_CFLAGS = $(UNIT_CFLAGS)
unit_client_LDADD = $(CLIENT_LIBS) $(CHECK_LIBS)
