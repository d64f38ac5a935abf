sbin_PROGRAMS += wsgated
wsgated_SOURCES = src/wsgated.c
wsgated_LDADD = $(CONTROL_LIBS)

TESTS += src/check-rooms
EXTRA_DIST += src/check-rooms
