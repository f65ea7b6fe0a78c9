/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd_passing.h"
#include "fuse_server.h"
#include "lasting_name.h"
#include "mount.h"
#include "process.h"
#include "tidy.h"

static struct daemon_task task;
static struct prefetch_plan plan;
static int application; /* a descriptor from process_open() */
static int peer;        /* a socket from the server to the unmounter, or from there to here */
static struct mount mount;
/* The name is another start's only when both processes have ended. */
static char name[MOUNT_POINT_NAME_ROOM];
static int claim; /* to the name; negative when there is none */

enum { MAX_THREADS = 4 };

/*
 * Both processes stay in the session until all is prefetched, to be ready early.  Until then the server is pinned to one
 * processor, and the unmounter to the other for as long as the first process waits for it.
 */
static void begin_startup(const cpu_set_t *processors, const int *kept, size_t count)
{
	cpu_split_set_affinity(&plan.split, processors);
	process_detach(kept, count);
}

static void end_startup(void)
{
	cpu_split_set_affinity(&plan.split, &plan.split.all);
	setsid();
}

/* Both */

/* What the unmounter says at its end; it says nothing when it is killed. */
enum { UNMOUNTED, ABANDONED };

/* Even while files are in use; they can be read until they are closed. */
static bool detach(void)
{
	enum { ATTEMPTS = 4, PAUSE_MS = 100 };

	for (int i = 0; i < ATTEMPTS; i++) {
		/* Somebody else may have unmounted it: then it can be removed. */
		if (!unmount(&mount.point, true) || !mount_point_remove(&mount.point))
			return true;
		process_wait(-1, -1, PAUSE_MS << i); /* there may be memory for another process later */
	}
	/* The server removes the mount point when it learns that it is unmounted. */
	unmount_instead(&mount.point);
	return false;
}

/* For when nobody has seen the mount yet, if there is one. */
static void undo(void)
{
	if (mount_point_remove(&mount.point) && detach())
		mount_point_remove(&mount.point);
}

/* Unmounts when the last user is gone, and at once when the peer has died; false when that fails for good. */
static bool unmount_after_use(int other)
{
	enum { FIRST_PAUSE_MS = 20, MAX_PAUSE_MS = 60000, MAX_REFUSALS = 8 };
	enum process_event event = process_wait(application, other, -1);
	unsigned refusals = 0;

	for (int pause_ms = FIRST_PAUSE_MS; event != PEER_READABLE;
	     pause_ms = pause_ms < MAX_PAUSE_MS / 2 ? pause_ms * 2 : MAX_PAUSE_MS) {
		pid_t user = process_using(mount.point.path);
		int process = user ? process_open(user) : -1;
		int error = user ? -EBUSY : unmount(&mount.point, false);
		if (!error || error == -EINVAL)
			return true;
		/* Busy without a user that shows: someone has a file open. */
		if (error != -EBUSY && !process_holds_files(mount.point.path) && ++refusals == MAX_REFUSALS)
			break;
		event = process_wait(process, other, process >= 0 ? -1 : pause_ms);
		if (process >= 0) {
			close(process);
			pause_ms = FIRST_PAUSE_MS;
		}
	}
	return detach();
}

/* The unmounter */

/* The server learns of each mount point before there is a mount. */
static int announce(void)
{
	return fd_send(peer, &mount.point, sizeof(mount.point), (int[]){mount.point.parent, mount.point.directory},
	                        2);
}

/* A place may be forbidden to fusermount, by AppArmor for one; but the reason may be one that holds for all places. */
static int mount_somewhere(int (*way)(struct mount *mount, int application))
{
	enum { MAX_REFUSALS = 3 };
	unsigned next = 0;
	int error = -ENOENT;

	for (int refusals = 0; refusals < MAX_REFUSALS && error != -ENODEV && error != -EINTR; refusals++) {
		int made = mount_point_make(&mount.point, &next, name, task.prefix);
		if (made)
			return made;
		error = announce();
		if (!error)
			error = way(&mount, application);
		if (!error)
			return 0;
		undo();
		mount_point_close(&mount.point);
	}
	return error;
}

/* The device is the server's alone: it is at an end with it. */
static int hand_over(void)
{
	int descriptors[] = {mount.device, mount.user_namespace, mount.mount_namespace};
	unsigned count = mount.mount_namespace < 0 ? 1 : 3;
	int error = fd_send(peer, &mount.point, sizeof(mount.point), descriptors, count);

	while (count)
		close(descriptors[--count]);
	return error;
}

static pid_t tidier;

/* See tidy.h: this process does not wait for it. */
static void start_tidying(void)
{
	tidier = fork();
	if (tidier != 0)
		return;
	process_detach((int[]){claim}, 1); /* what it may remove is nobody else's yet, whatever becomes of the others */
	tidy_and_exit(strcmp(mount.point.name, name) ? name : "");
}

static void end_tidying(int options)
{
	while (tidier > 0) {
		pid_t ended = waitpid(tidier, NULL, options);
		if (ended == 0)
			return;
		if (ended > 0 || errno != EINTR)
			tidier = 0;
	}
}

/* A mount in a namespace ends with the namespace, when the last process in it does, and the server with the mount. */
static bool wait_until_unmounted(void)
{
	enum { UNTIL_TIDYING_MS = 2000, TO_TIDY_MS = 1000 };

	process_wait(application, peer, UNTIL_TIDYING_MS);
	start_tidying();
	process_wait(application, peer, TO_TIDY_MS);
	end_tidying(WNOHANG);
	if (mount.mount_namespace >= 0)
		return process_wait(-1, peer, -1) == PEER_READABLE;
	return unmount_after_use(peer);
}

static _Noreturn void run_unmounter(void)
{
	begin_startup(&plan.split.requests, (int[]){task.file, application, peer, claim, plan.pipe[0]}, 5);
	mount.user_namespace = mount.mount_namespace = -1;
	if (mount_somewhere(mount_visibly) && (!task.in_namespace || mount_somewhere(mount_in_namespace)))
		_exit(1);
	bool seen = mount.mount_namespace < 0;
	if (hand_over()) {
		undo();
		_exit(1);
	}
	cpu_split_set_affinity(&plan.split, &plan.split.prefetching);
	if (seen)
		prefetch_list_others(&plan, mount.point.path, task.file, task.offset, application);
	close(plan.pipe[0]);
	end_startup();
	char end = wait_until_unmounted() ? UNMOUNTED : ABANDONED;
	mount_point_remove(&mount.point);
	fd_send(peer, &end, 1, NULL, 0);
	end_tidying(0);
	_exit(0);
}

/* The server */

static struct {
	struct fuse_server fuse;
	int channel; /* to the process that becomes the application */
	pid_t unmounter;
	sem_t opened;   /* posted when the image is */
	sem_t received; /* posted when the mount is */
} server;

/* Also where the unmounter sees nothing of the mount. */
static void leave(void)
{
	mount_point_remove(&mount.point);
	_exit(0);
}

/*
 * The unmounter has found no way, or was killed for its attempt, or its message cannot be received.  Closing what leads
 * to it has it clean up; and nobody else, the application least of all, shall have to wait for it.
 */
static _Noreturn void give_up(void)
{
	close(peer);
	close(plan.pipe[1]);
	while (waitpid(server.unmounter, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (mount.point.name[0])
		undo();
	_exit(1);
}

static void take_point(const struct mount_point *point, const int *descriptors)
{
	if (mount.point.name[0])
		mount_point_close(&mount.point);
	mount.point = *point;
	mount.point.parent = descriptors[0];
	mount.point.directory = descriptors[1];
}

/* Each mount point that the unmounter tries, and then the mount. */
static int receive_mount(void)
{
	int descriptors[3], count;
	struct mount_point point;

	while ((count = fd_receive(peer, &point, sizeof(point), descriptors, 3)) == 2)
		take_point(&point, descriptors);
	if (count <= 0)
		return -EPIPE;
	mount.device = descriptors[0];
	mount.user_namespace = count == 3 ? descriptors[1] : -1;
	mount.mount_namespace = count == 3 ? descriptors[2] : -1;
	return 0;
}

static int report_ready(void)
{
	int namespaces[] = {mount.user_namespace, mount.mount_namespace};
	unsigned count = mount.mount_namespace < 0 ? 0 : 2;
	int error = fd_send(server.channel, &mount.point, sizeof(mount.point), namespaces, count);

	close(server.channel);
	while (count)
		close(namespaces[--count]);
	return error;
}

static void *serve(void *nothing)
{
	(void)nothing;
	if (receive_mount())
		give_up();
	while (sem_wait(&server.opened))
		continue;
	if (report_ready())
		_exit(1); /* the first process has been killed: the unmounter unmounts */
	sem_post(&server.received);
	fuse_server_run(&server.fuse, mount.device, mount.mount_namespace >= 0);
	return NULL;
}

/* Does what the unmounter shall, if that is killed. */
static void outlive_unmounter(void)
{
	char end;
	int count = fd_receive(peer, &end, sizeof(end), NULL, 0);

	if (count < 0 && mount.mount_namespace < 0) {
		end = unmount_after_use(-1) ? UNMOUNTED : ABANDONED;
		mount_point_remove(&mount.point);
		count = 0;
	}
	/* The kernel will not say that the last user is gone. */
	if (count == 0 && end == ABANDONED)
		_exit(1);
}

/* This thread prefetches, while others answer. */
static _Noreturn void run_server(void)
{
	unsigned processors = process_processors(MAX_THREADS - 1); /* before this one is pinned to one of them */

	begin_startup(&plan.split.prefetching,
	              (int[]){task.file, server.channel, application, peer, claim, plan.pipe[1]}, 6);
	/* One thread at least for a request that comes while another is waiting for a block. */
	server.fuse.workers =
		(struct fuse_workers){.gone = leave, .processors = processors, .max_threads = processors + 1};
	/* It takes a while to wake up, on the other processor. */
	if (sem_init(&server.opened, 0, 0) || sem_init(&server.received, 0, 0) ||
	    !process_start_thread(serve, NULL, plan.split.exists ? &plan.split.requests : NULL) ||
	    fuse_server_open(&server.fuse, task.file, task.offset, &plan))
		_exit(1);
	sem_post(&server.opened);
	prefetch_run(server.fuse.prefetch);
	close(plan.pipe[1]);
	end_startup();
	while (sem_wait(&server.received))
		continue;
	outlive_unmounter();
	for (;;)
		pause(); /* until the kernel says that the last user is gone, and serve() ends the process */
}

/* Starting them */

/* Both get their own end of a pair of sockets, which tells each of the other's death. */
static _Noreturn void start_both(void)
{
	int peers[2];

	if (fd_pair(peers) || prefetch_connect(&plan))
		_exit(1);
	mount_find_fusermount();
	claim = lasting_name_choose(name, sizeof(name), task.prefix, task.file, task.offset);
	server.unmounter = fork();
	if (server.unmounter < 0)
		_exit(1);
	peer = peers[server.unmounter == 0];
	if (server.unmounter == 0)
		run_unmounter();
	run_server();
}

int daemon_start(struct daemon *daemon, const struct daemon_task *given)
{
	int channels[2];

	/* Opened by the process itself, so that there is no doubt who is meant. */
	application = process_open(getpid());
	if (application < 0)
		return -errno;
	int error = fd_pair(channels);
	if (error) {
		close(application);
		return error;
	}
	task = *given;
	prefetch_decide(&plan, task.file);
	/* The application shall not have children it does not know of. */
	int forked = process_fork_aside();
	if (forked == 0) {
		server.channel = channels[1];
		start_both();
	}
	close(application);
	close(channels[1]);
	daemon->channel = channels[0];
	if (forked < 0)
		close(daemon->channel);
	return forked < 0 ? forked : 0;
}

/* Whoever adopts orphans has the server as a child that wait() passes over: nobody else would clear it away. */
static void reap_server(void)
{
	enum { ATTEMPTS = 100, PAUSE_MS = 1 };

	for (int i = 0; i < ATTEMPTS && waitpid(-1, NULL, (int)__WCLONE | WNOHANG) == 0; i++)
		process_wait(-1, -1, PAUSE_MS);
}

int daemon_wait(const struct daemon *daemon, char path[MOUNT_POINT_ROOM])
{
	struct mount_point point;
	int namespaces[2];
	int count = fd_receive(daemon->channel, &point, sizeof(point), namespaces, 2);
	int error = count < 0 ? count : 0;

	close(daemon->channel);
	if (count == 2) {
		error = mount_enter_namespace(namespaces[0], namespaces[1]);
		close(namespaces[0]);
		close(namespaces[1]);
	}
	if (error) {
		reap_server();
		return error;
	}
	memcpy(path, point.path, MOUNT_POINT_ROOM);
	prefetch_list_first(&plan, path, count == 2);
	return 0;
}
