# The service wsgated and the template wsgated@NAME for further instances come from one file; an
# instance has its folders below those of the service.
SYSTEMD_UNITS = systemd/wsgated.service systemd/wsgated@.service
systemdsystemunit_DATA = $(SYSTEMD_UNITS)
sysusers_DATA = systemd/sysusers.d/wsgated.conf
tmpfiles_DATA = systemd/tmpfiles.d/wsgated.conf
TESTS += systemd/check-exposure

EXTRA_DIST += systemd/wsgated.service.in $(sysusers_DATA) systemd/tmpfiles.d/wsgated.conf.in \
	systemd/check-exposure
CLEANFILES += $(SYSTEMD_UNITS) $(tmpfiles_DATA)

SYSTEMD_SUBST = $(SED) -e 's|@stop_seconds[@]|$(UNIT_STOP_SECONDS)|g' -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g'

systemd/wsgated.service: systemd/wsgated.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(SYSTEMD_SUBST) -e 's|@instance[@]||g' $(srcdir)/systemd/wsgated.service.in > $@

systemd/wsgated@.service: systemd/wsgated.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(SYSTEMD_SUBST) -e 's|@instance[@]|/%i|g' $(srcdir)/systemd/wsgated.service.in > $@

systemd/tmpfiles.d/wsgated.conf: systemd/tmpfiles.d/wsgated.conf.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(SYSTEMD_SUBST) $(srcdir)/systemd/tmpfiles.d/wsgated.conf.in > $@
