/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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

enum { MOST_THREADS = 4, STACK = 256 * 1024 };

static uint64_t startup_end; /* see warm.h */
static pid_t starter;        /* the process that becomes the application */
static int pushed[2];        /* a pipe from the server to the keeper, see push.h; closed when all is pushed */

/* The keeper */

/*
 * Has the kernel learn the inodes of what is to be pushed: a few at first, the others when more is to come; and, when
 * all is pushed, every name beside them.
 */
static void learn(struct squashfs *fs, int root, int application)
{
	int folder = openat(root, PUSH_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct warm_list list;
	char more;

	if (folder >= 0)
		warm_list(folder);
	warm_find(fs, startup_end, &list);
	if (process_wait(application, pushed[0], -1) == PEER_GONE && read(pushed[0], &more, 1) == 1) {
		while (folder >= 0 && warm_list(folder))
			continue;
	}
	close(folder);
	if (process_wait(application, pushed[0], -1) == PEER_GONE)
		warm_list_folders(&list, root, application);
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

static _Noreturn void run_keeper(struct squashfs *fs, int application, int peer)
{
	struct mount mount;

	process_detach((int[]){fs->file, application, peer, pushed[0]}, 4);
	if (read(peer, &mount, sizeof(mount)) != sizeof(mount))
		_exit(1);
	/* From here a mount in a namespace cannot be seen. */
	if (startup_end && mount.way != MOUNT_IN_NAMESPACE) {
		int root = open(mount.point, O_PATH | O_DIRECTORY | O_CLOEXEC);
		learn(fs, root, application);
		close(root);
	}
	close(pushed[0]);
	keep(&mount, application, peer);
	(void)!write(peer, "", 1); /* done, not killed */
	_exit(0);
}

/* The server */

static struct mount served;

static void *serve(void *server)
{
	fuse_serve(server);
	/* The file system is gone: nothing is left to do for any thread. */
	rmdir(served.point);
	_exit(0);
}

static void *push_startup(void *this)
{
	struct push *push = this;

	if (push_find(push, startup_end))
		push_all(push);
	close(pushed[1]);
	return NULL;
}

static void start_thread(void *(*function)(void *), void *argument)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_create(&thread, &attributes, function, argument);
}

static int receive_mount(int channel, struct mount *mount)
{
	int device;
	int error = receive_descriptors(channel, &device, 1);

	if (!error && read(channel, mount, sizeof(*mount)) != sizeof(*mount))
		error = -EPIPE;
	mount->device = device;
	return error;
}

static _Noreturn void run_server(struct squashfs *fs, int channel, int application, int peer, pid_t keeper)
{
	static struct cache cache;
	static struct fuse_server server;
	static struct push push;
	/* One at least for a request that comes while another is waiting for a block. */
	unsigned threads = process_processors(MOST_THREADS - 1) + 1;

	process_detach((int[]){fs->file, channel, application, peer, pushed[1]}, 5);
	if (cache_open(&cache, fs, threads * fuse_blocks_per_thread(fs)))
		_exit(1);
	push_open(&push, fs, pushed[1]);
	fuse_open(&server, fs, &cache, &push);
	start_thread(push_startup, &push);
	for (unsigned i = 0; i < threads; i++)
		start_thread(serve, &server);
	if (receive_mount(channel, &served))
		_exit(1);
	close(channel);
	bool hidden = served.way == MOUNT_IN_NAMESPACE;
	push_begin(&push, served.device, hidden ? starter : keeper);
	fuse_begin(&server, served.device, hidden);
	(void)!write(peer, &served, sizeof(served));
	char done;
	if (read(peer, &done, 1) != 1)
		keep(&served, application, -1);
	/* The kernel says when the last user is gone: serve() then ends the process. */
	for (;;)
		pause();
}

/* Starting them */

/* Both get their own end of a pair of sockets, which tells each of the other's death. */
static _Noreturn void start_both(struct squashfs *fs, int channel, int application)
{
	int peers[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, peers) || pipe2(pushed, O_CLOEXEC))
		_exit(1);
	pid_t keeper = fork();
	if (keeper == 0)
		run_keeper(fs, application, peers[1]);
	if (fork() == 0)
		run_server(fs, channel, application, peers[0], keeper);
	_exit(0);
}

int daemon_start(struct daemon *daemon, struct squashfs *fs)
{
	int channel[2];
	/* Opened by the process itself, so that there is no doubt who is meant. */
	int application = process_open(getpid());

	if (application < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel))
		return -errno;
	starter = getpid();
	/* With one processor, pushing keeps the application from running. */
	startup_end = process_processors(2) > 1 ? warm_end(fs->file) : 0;
	/* Through a process in between: the application shall not have children it does not know of. */
	daemon->between = fork();
	if (daemon->between == 0) {
		close(channel[0]);
		start_both(fs, channel[1], application);
	}
	close(application);
	close(channel[1]);
	daemon->channel = channel[0];
	return daemon->between < 0 ? -EAGAIN : 0;
}

void daemon_dismiss(struct daemon *daemon)
{
	close(daemon->channel);
	waitpid(daemon->between, NULL, 0);
}

int daemon_hand_over(struct daemon *daemon, const struct mount *mount)
{
	int error = send_descriptors(daemon->channel, &mount->device, 1);

	if (!error && write(daemon->channel, mount, sizeof(*mount)) != sizeof(*mount))
		error = -EPIPE;
	close(mount->device);
	daemon_dismiss(daemon);
	/* What the keeper does for mounts that it sees. */
	if (!error && startup_end && mount->way == MOUNT_IN_NAMESPACE) {
		int root = open(mount->point, O_PATH | O_DIRECTORY | O_CLOEXEC);
		warm_list_folder(root, PUSH_FOLDER);
		close(root);
	}
	return error;
}
