# Installed as the configuration only where there is none yet: it is the administrator's from then on.
wsgatedconfdir = $(sysconfdir)/wsgated
EXTRA_DIST += etc/wsgated.conf

install-data-hook: install-example-configuration
install-example-configuration:
	$(MKDIR_P) $(DESTDIR)$(wsgatedconfdir)/conf.d
	test -e $(DESTDIR)$(wsgatedconfdir)/wsgated.conf || \
		$(INSTALL_DATA) $(srcdir)/etc/wsgated.conf $(DESTDIR)$(wsgatedconfdir)/wsgated.conf

uninstall-hook: uninstall-example-configuration
uninstall-example-configuration:
	if cmp -s $(srcdir)/etc/wsgated.conf $(DESTDIR)$(wsgatedconfdir)/wsgated.conf; then \
		rm -f $(DESTDIR)$(wsgatedconfdir)/wsgated.conf; \
	fi
	-rmdir $(DESTDIR)$(wsgatedconfdir)/conf.d $(DESTDIR)$(wsgatedconfdir)
