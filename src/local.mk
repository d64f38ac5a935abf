sbin_PROGRAMS += wsgated
wsgated_SOURCES = src/wsgated.c
wsgated_LDADD = $(CONTROL_LIBS)
