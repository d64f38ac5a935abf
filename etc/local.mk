# Installed as the configuration only where there is none yet: it is the administrator's from then on.
# It may come to hold secrets, so its folder is closed from the start; systemd-tmpfiles then gives the
# folder, not the file in it (which it would have to reach through a folder of another user), to the
# daemon.
wsgatedconfdir = $(sysconfdir)/wsgated
EXTRA_DIST += etc/wsgated.conf

install-data-hook: install-example-configuration
install-example-configuration:
	$(MKDIR_P) $(DESTDIR)$(sysconfdir)
	for folder in $(DESTDIR)$(wsgatedconfdir) $(DESTDIR)$(wsgatedconfdir)/conf.d; do \
		test -d $$folder || mkdir -m 0700 $$folder || exit 1; \
	done
	test -e $(DESTDIR)$(wsgatedconfdir)/wsgated.conf || \
		$(INSTALL_DATA) $(srcdir)/etc/wsgated.conf $(DESTDIR)$(wsgatedconfdir)/wsgated.conf

uninstall-hook: uninstall-example-configuration
uninstall-example-configuration:
	if cmp -s $(srcdir)/etc/wsgated.conf $(DESTDIR)$(wsgatedconfdir)/wsgated.conf; then \
		rm -f $(DESTDIR)$(wsgatedconfdir)/wsgated.conf; \
	fi
	-rmdir $(DESTDIR)$(wsgatedconfdir)/conf.d $(DESTDIR)$(wsgatedconfdir)
