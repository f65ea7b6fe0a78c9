/* SPDX-License-Identifier: MIT */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd_passing.h"
#include "monotonic.h"
#include "mount.h"
#include "process.h"
#include "tidy.h"

extern char **environ;

struct guarded {
	char path[PATH_MAX]; /* of the directory; empty: none yet */
	struct private private;
	bool stays; /* the user wants to keep it */
};

static void forget(struct guarded *guarded)
{
	private_close(&guarded->private);
	if (guarded->private.parent >= 0)
		close(guarded->private.parent);
	guarded->private.parent = -1;
}

/* Says where the path's last part begins. */
static char *split(char *path)
{
	char *slash = strrchr(path, '/');

	*slash = 0;
	return slash + 1;
}

static void receive_path(struct guarded *guarded, int socket)
{
	char path[PATH_MAX];
	ssize_t got = recv(socket, path, sizeof(path) - 1, 0);

	if (got <= 0)
		return;
	path[got] = 0;
	forget(guarded);
	snprintf(guarded->path, sizeof(guarded->path), "%s", path);
	snprintf(guarded->private.name, sizeof(guarded->private.name), "%s", split(path));
}

static void receive_private(struct guarded *guarded, int socket)
{
	int descriptors[2];

	if (fd_receive_exactly(socket, descriptors, 2))
		return;
	guarded->private.parent = descriptors[0];
	guarded->private.lock = descriptors[1];
}

/* Until the other end is closed: the caller has ended, or runs the application. */
static void listen_to(struct guarded *guarded, int socket)
{
	char first;
	ssize_t got;

	while ((got = recv(socket, &first, 1, MSG_PEEK)) > 0 || (got < 0 && errno == EINTR)) {
		if (got > 0 && first == '/')
			receive_path(guarded, socket);
		else if (got > 0)
			receive_private(guarded, socket);
	}
}

static void wait_for_end(pid_t number, int process)
{
	enum { LOOK_AGAIN_NS = 500 * NS_PER_MS };

	if (process >= 0) {
		process_wait(process, -1, -1);
		close(process);
		return;
	}
	/* Before Linux 5.3, without /proc */
	while (!kill(number, 0) || errno == EPERM)
		monotonic_sleep(LOOK_AGAIN_NS);
}

/* The caller had no time to hand it over. */
static bool open_guarded(struct guarded *guarded)
{
	char path[PATH_MAX];

	if (guarded->private.lock >= 0)
		return true;
	if (!*guarded->path)
		return false;
	snprintf(path, sizeof(path), "%s", guarded->path);
	split(path);
	guarded->private.parent = open(*path ? path : "/", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return guarded->private.parent >= 0 && !private_open(&guarded->private);
}

/* A program that uses the files when no other run does; 0: they are removed, or left to the other runs. */
static pid_t last_user(const struct guarded *guarded)
{
	const struct private *private = &guarded->private;
	char root[PATH_MAX];

	/* Fails while another run holds its lock, and gives up ours; or where there are no locks, and none shares it. */
	if ((flock(private->lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) || !private_is_named(private))
		return 0;
	if (guarded->stays && private_is_whole(private))
		return 0;
	int length = snprintf(root, sizeof(root), "%s/%s", guarded->path, private_root());
	pid_t user = length < (int)sizeof(root) ? process_using(root) : 0;
	if (user)
		flock(private->lock, LOCK_SH);
	else
		private_remove(private);
	return user;
}

/*
 * Whoever was started with a directory's name in its environment is taken for a user of it: another guard, then, for this
 * process.  So it has its variables elsewhere.
 */
static void move_environment(void)
{
	for (char **variable = environ; *variable; variable++) {
		char *copy = strdup(*variable);
		memset(*variable, 0, strlen(*variable));
		if (copy)
			*variable = copy;
	}
}

static _Noreturn void guard(int socket, pid_t number, int process)
{
	static struct guarded guarded = {.private = {.parent = -1, .lock = -1}};
	pid_t user;

	guarded.stays = getenv("NO_CLEANUP");
	mount_find_fusermount();
	move_environment();
	process_detach((int[]){socket, process}, 2);
	setsid();
	if (send(socket, "", 1, MSG_NOSIGNAL) != 1)
		_exit(1);
	listen_to(&guarded, socket);
	close(socket);
	wait_for_end(number, process);
	while (open_guarded(&guarded) && (user = last_user(&guarded)))
		wait_for_end(user, process_open(user));
	tidy_and_exit("");
}

/* In the guard, signals stay blocked. */
static int fork_guard(void)
{
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	int forked = process_fork_aside();
	if (forked)
		sigprocmask(SIG_SETMASK, &before, NULL);
	return forked;
}

int guard_start(void)
{
	pid_t caller = getpid();
	int sockets[2];
	char ready;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	int process = process_open(caller);
	ssize_t got;
	int forked = fork_guard();
	if (!forked) {
		close(sockets[0]);
		guard(sockets[1], caller, process);
	}
	close(sockets[1]);
	if (process >= 0)
		close(process);
	/* It has left the process group then, whose end would be its own. */
	do
		got = forked > 0 ? recv(sockets[0], &ready, 1, 0) : 0;
	while (got < 0 && errno == EINTR);
	if (got == 1)
		return sockets[0];
	close(sockets[0]);
	return forked < 0 ? forked : -ECHILD;
}

int guard_announce(int guard, const char *path)
{
	return send(guard, path, strlen(path), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int guard_hand_over(int guard, const struct private *private)
{
	return fd_send(guard, "", 1, (int[]){private->parent, private->lock}, 2);
}
