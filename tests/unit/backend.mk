# SPDX-License-Identifier: MIT
# The supervisor. supervisor-rig.c runs the real vbdd, on the stand-in, with
# workers that move no data.
supervisor_tests = %D%/supervisor-config %D%/supervisor-front \
	%D%/supervisor-target %D%/host-vdev %D%/supervisor-states \
	%D%/supervisor-features %D%/supervisor-disks %D%/supervisor-control \
	%D%/supervisor-running %D%/supervisor-storm %D%/supervisor-leaks \
	%D%/supervisor-suspend %D%/supervisor-hold %D%/supervisor-whole \
	%D%/supervisor-restore %D%/supervisor-nbd %D%/supervisor-hostile \
	%D%/supervisor-transcripts %D%/supervisor-blkback \
	%D%/supervisor-policy %D%/supervisor-cgroups %D%/host-log \
	%D%/supervisor-store %D%/supervisor-driver-domain %D%/supervisor-hotplug
check_PROGRAMS += $(supervisor_tests) %D%/supervisor-fake-worker
TESTS += $(supervisor_tests)

supervisor_rig = %D%/supervisor-rig.c %D%/supervisor-rig.h %D%/tap.h
supervisor_rig_cflags = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(XENSTORE_CFLAGS)
supervisor_rig_libs = libsupervisor.a liblocal.a libhost.a $(JANSSON_LIBS) \
	$(XENSTORE_LIBS)
%C%_supervisor_states_SOURCES = %D%/supervisor-states.c $(supervisor_rig)
%C%_supervisor_states_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_states_LDADD = $(supervisor_rig_libs)
%C%_supervisor_transcripts_SOURCES = %D%/supervisor-transcripts.c \
	$(supervisor_rig)
%C%_supervisor_transcripts_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_transcripts_LDADD = $(supervisor_rig_libs)
EXTRA_DIST += %D%/transcripts
%C%_supervisor_store_SOURCES = %D%/supervisor-store.c $(supervisor_rig)
%C%_supervisor_store_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_store_LDADD = $(supervisor_rig_libs)
%C%_supervisor_driver_domain_SOURCES = %D%/supervisor-driver-domain.c \
	$(supervisor_rig)
%C%_supervisor_driver_domain_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_driver_domain_LDADD = $(supervisor_rig_libs)
%C%_supervisor_hotplug_SOURCES = %D%/supervisor-hotplug.c \
	$(supervisor_rig)
%C%_supervisor_hotplug_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_hotplug_LDADD = $(supervisor_rig_libs)
%C%_supervisor_policy_SOURCES = %D%/supervisor-policy.c $(supervisor_rig)
%C%_supervisor_policy_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_policy_LDADD = $(supervisor_rig_libs)
%C%_supervisor_blkback_SOURCES = %D%/supervisor-blkback.c $(supervisor_rig)
%C%_supervisor_blkback_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_blkback_LDADD = $(supervisor_rig_libs)
%C%_supervisor_features_SOURCES = %D%/supervisor-features.c \
	$(supervisor_rig)
%C%_supervisor_features_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_features_LDADD = $(supervisor_rig_libs)
%C%_supervisor_disks_SOURCES = %D%/supervisor-disks.c $(supervisor_rig)
%C%_supervisor_disks_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_disks_LDADD = $(supervisor_rig_libs)
%C%_supervisor_control_SOURCES = %D%/supervisor-control.c $(supervisor_rig)
%C%_supervisor_control_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_control_LDADD = $(supervisor_rig_libs)
%C%_supervisor_storm_SOURCES = %D%/supervisor-storm.c %D%/process.h \
	$(supervisor_rig)
%C%_supervisor_storm_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_storm_LDADD = $(supervisor_rig_libs)
%C%_supervisor_leaks_SOURCES = %D%/supervisor-leaks.c %D%/process.h \
	$(supervisor_rig)
%C%_supervisor_leaks_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_leaks_LDADD = libportlocal.a libporthosted.a \
	libvbdfront.a libblkif.a \
	$(supervisor_rig_libs)
%C%_supervisor_running_SOURCES = %D%/supervisor-running.c $(supervisor_rig)
%C%_supervisor_running_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_running_LDADD = $(supervisor_rig_libs)
%C%_supervisor_suspend_SOURCES = %D%/supervisor-suspend.c $(supervisor_rig)
%C%_supervisor_suspend_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_suspend_LDADD = $(supervisor_rig_libs)
%C%_supervisor_hold_SOURCES = %D%/supervisor-hold.c $(supervisor_rig)
%C%_supervisor_hold_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_hold_LDADD = $(supervisor_rig_libs)
%C%_supervisor_whole_SOURCES = %D%/supervisor-whole.c $(supervisor_rig)
%C%_supervisor_whole_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_whole_LDADD = libportlocal.a libporthosted.a libvbdfront.a \
	$(supervisor_rig_libs)
%C%_supervisor_restore_SOURCES = %D%/supervisor-restore.c $(supervisor_rig)
%C%_supervisor_restore_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_restore_LDADD = libportlocal.a libporthosted.a libvbdfront.a \
	$(supervisor_rig_libs)
%C%_supervisor_nbd_SOURCES = %D%/supervisor-nbd.c $(supervisor_rig)
%C%_supervisor_nbd_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_nbd_LDADD = $(supervisor_rig_libs)
%C%_supervisor_hostile_SOURCES = %D%/supervisor-hostile.c %D%/process.h \
	$(supervisor_rig)
%C%_supervisor_hostile_CFLAGS = $(supervisor_rig_cflags)
%C%_supervisor_hostile_LDADD = $(supervisor_rig_libs)
%C%_host_log_SOURCES = %D%/host-log.c %D%/tap.h
%C%_host_log_LDADD = libhost.a
%C%_supervisor_cgroups_SOURCES = %D%/supervisor-cgroups.c %D%/tap.h
%C%_supervisor_cgroups_LDADD = libsupervisor.a libstorage.a libhost.a
%C%_supervisor_fake_worker_SOURCES = %D%/supervisor-fake-worker.c
# messages are passed by value here; this runs on an ordinary stack
%C%_supervisor_fake_worker_CFLAGS = $(AM_CFLAGS) -Wframe-larger-than=65536
%C%_supervisor_fake_worker_LDADD = libhost.a

# Misbehaving front ends, above the whole back end.
misbehave_tests = %D%/misbehave-requests %D%/misbehave-rings \
	%D%/misbehave-nodes
check_PROGRAMS += $(misbehave_tests)
TESTS += $(misbehave_tests)
misbehave = $(supervisor_rig) %D%/misbehave-rows.h %D%/misbehave-stack.h \
	%D%/disk-guest.h %D%/process.h
misbehave_cflags = $(supervisor_rig_cflags) -pthread \
	-Wframe-larger-than=65536
misbehave_libs = libblkif.a $(supervisor_rig_libs) -lpthread
misbehave_programs = vbdd vbdd-disk vbdd-local
%C%_misbehave_requests_SOURCES = %D%/misbehave-requests.c $(misbehave)
%C%_misbehave_requests_CFLAGS = $(misbehave_cflags)
%C%_misbehave_requests_LDADD = $(misbehave_libs)
EXTRA_%C%_misbehave_requests_DEPENDENCIES = $(misbehave_programs)
%C%_misbehave_rings_SOURCES = %D%/misbehave-rings.c $(misbehave)
%C%_misbehave_rings_CFLAGS = $(misbehave_cflags)
%C%_misbehave_rings_LDADD = $(misbehave_libs)
EXTRA_%C%_misbehave_rings_DEPENDENCIES = $(misbehave_programs)
%C%_misbehave_nodes_SOURCES = %D%/misbehave-nodes.c $(misbehave)
%C%_misbehave_nodes_CFLAGS = $(misbehave_cflags)
%C%_misbehave_nodes_LDADD = $(misbehave_libs)
EXTRA_%C%_misbehave_nodes_DEPENDENCIES = $(misbehave_programs)

%C%_supervisor_config_SOURCES = %D%/supervisor-config.c %D%/tap.h
%C%_supervisor_config_LDADD = libsupervisor.a libhost.a $(INIH_LIBS)
%C%_supervisor_front_SOURCES = %D%/supervisor-front.c %D%/tap.h
%C%_supervisor_front_LDADD = libsupervisor.a libblkif.a
%C%_supervisor_target_SOURCES = %D%/supervisor-target.c %D%/tap.h
%C%_supervisor_target_LDADD = libsupervisor.a libhost.a $(INIH_LIBS)
%C%_host_vdev_SOURCES = %D%/host-vdev.c %D%/tap.h
%C%_host_vdev_LDADD = libhost.a

dist_check_SCRIPTS += tests/func/vbdctl.sh
TESTS += tests/func/vbdctl.sh
