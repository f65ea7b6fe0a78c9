/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "descriptors.h"
#include "fuse.h"
#include "process.h"
#include "push.h"
#include "warm.h"

static int image; /* the file */
static uint64_t image_offset; /* in it */
static uint64_t startup_end; /* see warm.h */
static struct halves halves; /* of the processors: one for the application, the other for pushing */
static int pushed[2];        /* a pipe from the server to the keeper, see push.h; closed when all is pushed */
static char push_folder[PUSH_NAME_ROOM];

enum { MOST_THREADS = 4 };

/* Both processes keep to one processor until all is pushed, and stay so long in the session, to be ready early. */
static void begin_startup(const int *kept, size_t count)
{
	if (halves.exist)
		process_keep_to(&halves.other);
	process_detach(kept, count);
}

static void end_startup(void)
{
	if (halves.exist)
		process_keep_to(&halves.whole);
	setsid();
}

/* The keeper */

/* Until the server has something to say; false when nobody uses the mount any more. */
static bool wait_for_server(const struct mount *mount, int application)
{
	if (process_wait(application, pushed[0], -1) == PEER_GONE)
		return true;
	/* It may have left its work to others. */
	return process_using(mount->point) && process_wait(-1, pushed[0], -1) == PEER_GONE;
}

/*
 * Has the kernel learn the inodes of what is to be pushed after the first files; and, when all is pushed, every name
 * beside them.
 */
static void learn(const struct mount *mount, int root, int application)
{
	static struct squashfs fs;
	struct warm_list list;
	char more;

	if (wait_for_server(mount, application) && read(pushed[0], &more, 1) == 1)
		warm_list_folder(root, push_folder, PUSH_FIRST);
	if (!wait_for_server(mount, application) || squashfs_open(&fs, image, image_offset))
		return;
	warm_find(&fs, startup_end, &list);
	bool left = process_wait(application, -1, 0) == PROCESS_ENDED;
	warm_list_folders(&list, root, left ? -1 : application);
}

/* Unmounts when the last user is gone; returns then, or when the peer has died. */
static enum process_event wait_for_last_user(const struct mount *mount, int application, int peer)
{
	enum { FIRST_PAUSE = 20, LONGEST_PAUSE = 1000 };
	enum process_event event = process_wait(application, peer, -1);

	for (int pause = FIRST_PAUSE; event != PEER_GONE; pause = pause < LONGEST_PAUSE ? pause * 2 : LONGEST_PAUSE) {
		pid_t user = process_using(mount->point);
		int process = user ? process_open(user) : -1;
		if (!user && !unmount_fuse(mount, false))
			return PROCESS_ENDED;
		/* Busy without a user that shows: someone has a file open. */
		event = process_wait(process, peer, process >= 0 ? -1 : pause);
		if (process >= 0) {
			close(process);
			pause = FIRST_PAUSE;
		}
	}
	return event;
}

static void keep(const struct mount *mount, int application, int peer)
{
	/* A mount in a namespace ends with the namespace, when the last process in it does. */
	enum process_event event = mount->way == MOUNT_IN_NAMESPACE
	                                   ? process_wait(-1, peer, -1)
	                                   : wait_for_last_user(mount, application, peer);

	if (event == PEER_GONE)
		unmount_fuse(mount, true);
	rmdir(mount->point);
}

static _Noreturn void run_keeper(int application, int peer)
{
	struct mount mount;

	begin_startup((int[]){image, application, peer, pushed[0]}, 4);
	if (read(peer, &mount, sizeof(mount)) != sizeof(mount))
		_exit(1);
	/* From here a mount in a namespace cannot be seen. */
	if (startup_end && mount.way != MOUNT_IN_NAMESPACE) {
		int root = open(mount.point, O_PATH | O_DIRECTORY | O_CLOEXEC);
		learn(&mount, root, application);
		close(root);
	}
	close(pushed[0]);
	end_startup();
	keep(&mount, application, peer);
	(void)!write(peer, "", 1); /* done, not killed */
	_exit(0);
}

/* The server */

static struct squashfs fs;
static struct cache cache;
static struct push push;
static struct fuse_server server;
static struct mount served;
static int channel; /* to the process that becomes the application */
static int peer;    /* a socket to the keeper */
static sem_t opened;   /* posted when the image is */
static sem_t received; /* posted when the mount is */

static void leave(void)
{
	rmdir(served.point);
	_exit(0);
}

static int receive_mount(void)
{
	int device;
	int error = receive_descriptors(channel, &device, 1);

	if (!error && read(channel, &served, sizeof(served)) != sizeof(served))
		error = -EPIPE;
	served.device = device;
	return error;
}

static void *serve(void *nothing)
{
	(void)nothing;
	if (receive_mount())
		_exit(1);
	while (sem_wait(&opened))
		continue;
	push_begin(&push, served.device);
	(void)!write(peer, &served, sizeof(served));
	(void)!write(channel, "", 1);
	close(channel);
	sem_post(&received);
	fuse_serve(&server, served.device, served.way == MOUNT_IN_NAMESPACE);
	_exit(1); /* for want of memory */
}

/* This thread pushes, while others answer; then it does what the keeper shall, if that is killed. */
static _Noreturn void run_server(int application, int keeper)
{
	char done;

	peer = keeper;
	/* One at least for a request that comes while another is waiting for a block. */
	server.processors = process_processors(MOST_THREADS - 1);
	server.most_threads = server.processors + 1;
	begin_startup((int[]){image, channel, application, peer, pushed[1]}, 5);
	sem_init(&opened, 0, 0);
	sem_init(&received, 0, 0);
	/* It takes a while to wake up, on the other processor. */
	if (!process_start_thread(serve, NULL, halves.exist ? &halves.one : NULL))
		_exit(1);
	server.gone = leave;
	server.halves = halves;
	if (squashfs_open(&fs, image, image_offset) ||
	    cache_open(&cache, &fs, (server.most_threads + 1) * fuse_blocks_per_thread(&fs)))
		_exit(1);
	push_open(&push, &fs, &cache, push_folder, pushed[1]);
	push.over = !startup_end;
	fuse_open(&server, &fs, &cache, &push);
	sem_post(&opened);
	if (startup_end && push_find(&push, startup_end))
		push_all(&push);
	close(pushed[1]);
	end_startup();
	while (sem_wait(&received))
		continue;
	if (read(peer, &done, 1) != 1)
		keep(&served, application, -1);
	for (;;)
		pause(); /* until the kernel says that the last user is gone, and serve() ends the process */
}

/* Starting them */

/* Both get their own end of a pair of sockets, which tells each of the other's death. */
static _Noreturn void start_both(int application)
{
	int peers[2];

	/* What ends the application's process group shall not end them: they would leave a dead mount. */
	setpgid(0, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, peers) || pipe2(pushed, O_CLOEXEC))
		_exit(1);
	if (fork() == 0)
		run_server(application, peers[0]);
	if (fork() == 0)
		run_keeper(application, peers[1]);
	_exit(0);
}

int daemon_start(struct daemon *daemon, int file, uint64_t offset)
{
	int channels[2];
	/* Opened by the process itself, so that there is no doubt who is meant. */
	int application = process_open(getpid());

	if (application < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channels))
		return -errno;
	/* With one processor, pushing keeps the application from running. */
	startup_end = process_processors(2) > 1 && push_name(push_folder) ? warm_end(file) : 0;
	if (startup_end)
		halves = process_halve(sched_getcpu());
	image = file;
	image_offset = offset;
	/* Through a process in between: the application shall not have children it does not know of. */
	pid_t between = fork();
	if (between == 0) {
		close(channels[0]);
		channel = channels[1];
		start_both(application);
	}
	close(application);
	close(channels[1]);
	daemon->channel = channels[0];
	if (between > 0)
		waitpid(between, NULL, 0);
	else
		daemon_dismiss(daemon);
	return between < 0 ? -EAGAIN : 0;
}

void daemon_dismiss(const struct daemon *daemon)
{
	close(daemon->channel);
}

/* Has the kernel learn the inodes of what is pushed first; and of all where the keeper does not see the mount. */
static void list_first(const struct mount *mount)
{
	int root = open(mount->point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int folder = openat(root, push_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (folder >= 0 && warm_list(folder) && mount->way == MOUNT_IN_NAMESPACE)
		continue;
	close(folder);
	close(root);
}

int daemon_hand_over(const struct daemon *daemon, const struct mount *mount)
{
	char ready;
	int error = send_descriptors(daemon->channel, &mount->device, 1);

	if (!error && (send(daemon->channel, mount, sizeof(*mount), MSG_NOSIGNAL) != sizeof(*mount) ||
	               read(daemon->channel, &ready, 1) != 1))
		error = -EPIPE;
	close(mount->device);
	daemon_dismiss(daemon);
	if (!error && startup_end)
		list_first(mount);
	return error;
}
