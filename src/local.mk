sbin_PROGRAMS += wsgated
wsgated_SOURCES = src/wsgated.c
wsgated_LDADD = $(DAEMON_LIBS)
