check_PROGRAMS += unit_base
TESTS += unit_base
unit_base_SOURCES = tests/unit/test_base.c
unit_base_CFLAGS = $(UNIT_CFLAGS)
unit_base_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_events
TESTS += unit_events
unit_events_SOURCES = tests/unit/test_events.c
unit_events_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_SRCDIR='"$(abs_top_srcdir)"'
unit_events_CFLAGS = $(UNIT_CFLAGS)
unit_events_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_listener
TESTS += unit_listener
unit_listener_SOURCES = tests/unit/test_listener.c
unit_listener_CFLAGS = $(UNIT_CFLAGS)
unit_listener_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_http_head
TESTS += unit_http_head
unit_http_head_SOURCES = tests/unit/test_http_head.c
unit_http_head_CFLAGS = $(UNIT_CFLAGS)
unit_http_head_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_log
TESTS += unit_log
unit_log_SOURCES = tests/unit/test_log.c
unit_log_CFLAGS = $(UNIT_CFLAGS)
unit_log_LDADD = $(WS_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_loop
TESTS += unit_loop
unit_loop_SOURCES = tests/unit/test_loop.c
unit_loop_CFLAGS = $(UNIT_CFLAGS)
unit_loop_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_notify
TESTS += unit_notify
unit_notify_SOURCES = tests/unit/test_notify.c
unit_notify_CFLAGS = $(UNIT_CFLAGS)
unit_notify_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_rate
TESTS += unit_rate
unit_rate_SOURCES = tests/unit/test_rate.c
unit_rate_CFLAGS = $(UNIT_CFLAGS)
unit_rate_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_strings
TESTS += unit_strings
unit_strings_SOURCES = tests/unit/test_strings.c
unit_strings_CFLAGS = $(UNIT_CFLAGS)
unit_strings_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_timers
TESTS += unit_timers
unit_timers_SOURCES = tests/unit/test_timers.c
unit_timers_CFLAGS = $(UNIT_CFLAGS)
unit_timers_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_turns
TESTS += unit_turns
unit_turns_SOURCES = tests/unit/test_turns.c
unit_turns_CFLAGS = $(UNIT_CFLAGS)
unit_turns_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_thread_pool
TESTS += unit_thread_pool
unit_thread_pool_SOURCES = tests/unit/test_thread_pool.c
unit_thread_pool_CFLAGS = $(UNIT_CFLAGS)
unit_thread_pool_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
