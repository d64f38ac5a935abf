check_PROGRAMS += unit_control
TESTS += unit_control
unit_control_SOURCES = \
	tests/unit/test_control.c tests/unit/test_control.h \
	tests/unit/test_control_server.c \
	tests/unit/test_control_turns.c \
	tests/unit/test_json_config.c \
	tests/unit/test_report.c \
	tests/unit/test_rpc.c \
	tests/unit/test_rpc_request.c
unit_control_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_SRCDIR='"$(abs_top_srcdir)"'
unit_control_CFLAGS = $(UNIT_CFLAGS)
unit_control_LDADD = $(CONTROL_LIBS) $(CHECK_LIBS)
