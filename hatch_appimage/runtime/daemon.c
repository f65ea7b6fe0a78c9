/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "descriptors.h"
#include "fuse.h"
#include "process.h"

enum { MOST_THREADS = 4, STACK = 256 * 1024 };

static const struct mount *served; /* what the serving threads clean up after */

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

	process_detach((int[]){application, peer}, 2);
	if (read(peer, &mount, sizeof(mount)) == sizeof(mount))
		keep(&mount, application, peer);
	_exit(0);
}

static void *serve(void *server)
{
	fuse_serve(server);
	/* The file system is gone: nothing is left to do for any thread. */
	rmdir(served->point);
	_exit(0);
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

static _Noreturn void run_server(struct squashfs *fs, int channel, int application, int peer)
{
	static struct mount mount;
	static struct cache cache;
	static struct fuse_server server;
	/* One at least for a request that comes while another is waiting for a block. */
	unsigned threads = process_processors(MOST_THREADS - 1) + 1;

	process_detach((int[]){fs->file, channel, application, peer}, 4);
	if (cache_open(&cache, fs, threads * fuse_blocks_per_thread(fs)))
		_exit(1);
	if (receive_descriptors(channel, &mount.device, 1))
		_exit(1);
	int device = mount.device;
	if (read(channel, &mount, sizeof(mount)) != sizeof(mount))
		_exit(1);
	close(channel);
	served = &mount;
	server = (struct fuse_server){fs, &cache, device, mount.way == MOUNT_IN_NAMESPACE, 0};
	for (unsigned i = 0; i < threads; i++)
		start_thread(serve, &server);
	(void)!write(peer, &mount, sizeof(mount));
	process_wait(-1, peer, -1);
	/* The keeper was killed. */
	keep(&mount, application, -1);
	for (;;)
		pause();
}

int daemon_start(struct squashfs *fs)
{
	int channel[2], peers[2];
	/* Opened by the process itself, so that there is no doubt who is meant. */
	int application = process_open(getpid());

	if (application < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel))
		return -errno;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, peers))
		return -errno;
	/* Through a process in between: the application shall not have children it does not know of. */
	pid_t between = fork();
	if (between == 0) {
		pid_t server = fork();
		if (server == 0)
			run_server(fs, channel[1], application, peers[0]);
		pid_t keeper = server < 0 ? -1 : fork();
		if (keeper == 0)
			run_keeper(application, peers[1]);
		_exit(server < 0);
	}
	int status = between < 0 ? -1 : 0;
	if (between > 0)
		waitpid(between, &status, 0);
	close(application);
	close(channel[1]);
	close(peers[0]);
	close(peers[1]);
	if (!status)
		return channel[0];
	close(channel[0]);
	return -EAGAIN;
}

int daemon_hand_over(int channel, const struct mount *mount)
{
	int error = send_descriptors(channel, &mount->device, 1);

	if (!error && write(channel, mount, sizeof(*mount)) != sizeof(*mount))
		error = -EPIPE;
	close(channel);
	close(mount->device);
	return error;
}
