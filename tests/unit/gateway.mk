check_PROGRAMS += unit_gateway
TESTS += unit_gateway
unit_gateway_SOURCES = \
	tests/unit/test_gateway.c tests/unit/test_gateway.h \
	tests/unit/test_admission.c \
	tests/unit/test_backoff.c \
	tests/unit/test_body.c \
	tests/unit/test_change_plan.c \
	tests/unit/test_gateway_add.c \
	tests/unit/test_gateway_change.c \
	tests/unit/test_gateway_stop.c \
	tests/unit/test_connection_plan.c \
	tests/unit/test_connection_steps.c \
	tests/unit/test_cookies.c \
	tests/unit/test_dialer.c \
	tests/unit/test_redirect.c \
	tests/unit/test_hold.c \
	tests/unit/test_on_open.c \
	tests/unit/test_reload.c \
	tests/unit/test_routes.c \
	tests/unit/gateway_harness.c tests/unit/gateway_harness.h \
	tests/unit/gateway_server.c tests/unit/gateway_server.h \
	tests/unit/handshake_harness.c tests/unit/handshake_harness.h \
	tests/unit/settings_harness.c tests/unit/settings_harness.h \
	tests/unit/test_settings.c \
	tests/unit/test_settings_changes.c \
	tests/unit/test_settings_documents.c \
	tests/unit/test_settings_effective.c \
	tests/unit/test_settings_problems.c \
	tests/unit/test_settings_system.c \
	tests/unit/test_settings_tables.c \
	tests/unit/test_warnings.c
unit_gateway_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_SRCDIR='"$(abs_top_srcdir)"'
unit_gateway_CFLAGS = $(UNIT_CFLAGS)
unit_gateway_LDADD = $(GATEWAY_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_counters
TESTS += unit_counters
unit_counters_SOURCES = tests/unit/test_counters.c
unit_counters_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_SRCDIR='"$(abs_top_srcdir)"'
unit_counters_CFLAGS = $(UNIT_CFLAGS)
unit_counters_LDADD = $(GATEWAY_LIBS) $(CHECK_LIBS)
