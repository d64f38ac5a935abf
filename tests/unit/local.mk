# Unit tests with Check: one program a room, of one or a few files.
EXTRA_DIST += tests/unit/coverage

if HAVE_CHECK
# The sanitizers are slow, and a busy machine more so.
AM_TESTS_ENVIRONMENT = CK_TIMEOUT_MULTIPLIER=10; export CK_TIMEOUT_MULTIPLIER;
UNIT_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
include tests/unit/base.mk
include tests/unit/ws.mk
include tests/unit/net.mk
include tests/unit/outlet.mk
include tests/unit/gateway.mk
include tests/unit/control.mk
include tests/unit/client.mk
endif
