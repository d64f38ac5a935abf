check_PROGRAMS += unit_base
TESTS += unit_base
unit_base_SOURCES = tests/unit/test_base.c
unit_base_CFLAGS = $(UNIT_CFLAGS)
unit_base_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
