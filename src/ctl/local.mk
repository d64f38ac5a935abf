bin_PROGRAMS += wsgatectl
wsgatectl_SOURCES = \
	src/ctl/command.c src/ctl/command.h \
	src/ctl/command_add.c \
	src/ctl/command_connect.c \
	src/ctl/command_send.c \
	src/ctl/command_tail.c \
	src/ctl/command_warnings.c \
	src/ctl/commands.h \
	src/ctl/commands_config.c \
	src/ctl/commands_connection.c \
	src/ctl/commands_daemon.c \
	src/ctl/commands_outlet.c \
	src/ctl/commands_stats.c \
	src/ctl/print.c src/ctl/print.h \
	src/ctl/rpc_client.c src/ctl/rpc_client.h \
	src/ctl/table.c src/ctl/table.h \
	src/ctl/wsgatectl.c
wsgatectl_LDADD = $(CLIENT_LIBS) $(BASE_LIBS) $(SMARTCOLS_LIBS)
