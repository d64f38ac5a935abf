bin_PROGRAMS += wsgatectl
wsgatectl_SOURCES = \
	src/ctl/client.c src/ctl/client.h \
	src/ctl/command.c src/ctl/command.h \
	src/ctl/commands_connection.c \
	src/ctl/commands_counts.c \
	src/ctl/commands_daemon.c \
	src/ctl/commands_outlet.c \
	src/ctl/print.c src/ctl/print.h \
	src/ctl/table.c src/ctl/table.h \
	src/ctl/tail.c src/ctl/tail.h \
	src/ctl/wsgatectl.c
wsgatectl_LDADD = $(CLIENT_LIBS) $(BASE_LIBS) $(SMARTCOLS_LIBS)
