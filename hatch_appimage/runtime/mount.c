/* SPDX-License-Identifier: MIT */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd_passing.h"
#include "fuse_protocol.h"
#include "process.h"

extern char **environ;

#define DEVICE "/dev/fuse"
#define FILE_SYSTEM "fuse.appimage"

static char fusermount[PATH_MAX];

/* mount(2) */

/* Documentation/filesystems/fuse.rst, "Mount options".  On the working directory. */
static int mount_here(int device, const char *more_options)
{
	char options[160];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u,max_read=%d%s", device,
	         (unsigned)geteuid(), (unsigned)getegid(), FUSE_READ_LIMIT, more_options);
	return mount("appimage", ".", FILE_SYSTEM, MS_RDONLY | MS_NOSUID | MS_NODEV, options) ? -errno : 0;
}

/* What root starts may go on as another user: let it read its own program. */
static int mount_directly(const struct mount *mount)
{
	int error = fchdir(mount->point.directory) ? -errno : mount_here(mount->device, ",allow_other,default_permissions");

	if (fchdir(mount->point.parent) && !error)
		error = -errno;
	return error;
}

/*
 * Nothing is mounted yet, and who might unmount is told so.  Where a filter forbids unmounting, this ends the process or
 * fails, and nothing will be mounted that cannot be unmounted.
 */
static bool may_mount(const struct mount_point *point)
{
	return umount2(point->name, UMOUNT_NOFOLLOW) && errno == EINVAL;
}

/* fusermount */

static bool executable_in(const char *directory, size_t length, const char *name)
{
	return directory[0] == '/' &&
	       snprintf(fusermount, sizeof(fusermount), "%.*s/%s", (int)length, directory, name) < (int)sizeof(fusermount) &&
	       !access(fusermount, X_OK);
}

static bool search_path(const char *path, const char *name)
{
	while (path && *path) {
		size_t length = strcspn(path, ":");
		if (executable_in(path, length, name))
			return true;
		path += length + (path[length] == ':');
	}
	return false;
}

static bool take_wish(const char *wish)
{
	char here[PATH_MAX];

	if (wish[0] == '/')
		return snprintf(fusermount, sizeof(fusermount), "%s", wish) < (int)sizeof(fusermount);
	return getcwd(here, sizeof(here)) && executable_in(here, strlen(here), wish);
}

/* Root may mount without it, or not at all. */
void mount_find_fusermount(void)
{
	static const char *const names[] = {"fusermount3", "fusermount"};
	/* After PATH, which may be unset or cut short: where distributions put it. */
	static const char *const directories = "/usr/bin:/bin:/run/wrappers/bin:/usr/local/bin";
	const char *wish = getenv("FUSERMOUNT_PROG");
	const char *paths[] = {getenv("PATH"), directories};

	if (!geteuid())
		return;
	bool found = wish && *wish && take_wish(wish);
	for (size_t i = 0; !found && !(wish && *wish) && i < 4; i++)
		found = search_path(paths[i / 2], names[i % 2]);
	if (!found)
		fusermount[0] = 0;
}

static int set_up_spawn(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes)
{
	sigset_t none;
	int error = 0;

	sigemptyset(&none);
	/* What it would complain of, the next way in may not need. */
	for (int descriptor = 0; !error && descriptor <= STDERR_FILENO; descriptor++)
		error = posix_spawn_file_actions_addopen(actions, descriptor, "/dev/null", O_RDWR, 0);
	/* A process group of its own, so that all of it can be ended. */
	if (!error)
		error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	return error ? error : posix_spawnattr_setsigmask(attributes, &none);
}

static int spawn(pid_t *process, char *const *arguments)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error = posix_spawn_file_actions_init(&actions);

	if (error)
		return -error;
	error = posix_spawnattr_init(&attributes);
	if (!error) {
		error = set_up_spawn(&actions, &attributes);
		if (!error)
			error = posix_spawn(process, fusermount, &actions, &attributes, arguments, environ);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}

struct helper {
	pid_t process;
	int socket; /* whose other end is closed when the program has ended */
};

/* libfuse, util/fusermount.c: it opens the device, mounts, and sends the descriptor over the socket _FUSE_COMMFD. */
static int start_fusermount(struct helper *helper, char *const *arguments)
{
	int sockets[2], error;
	char number[16];

	if (!fusermount[0])
		return -ENOENT;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	snprintf(number, sizeof(number), "%d", sockets[1]);
	error = fcntl(sockets[1], F_SETFD, 0) || setenv("_FUSE_COMMFD", number, 1) ? -errno : 0;
	if (!error)
		error = spawn(&helper->process, arguments);
	unsetenv("_FUSE_COMMFD");
	close(sockets[1]);
	helper->socket = sockets[0];
	if (error)
		close(sockets[0]);
	return error;
}

/* Waits for its end, or ends it when `application` has ended or after some milliseconds; its status, or an error. */
static int end_fusermount(const struct helper *helper, int application, int timeout_ms)
{
	int status;

	if (process_wait(application, helper->socket, timeout_ms) != PEER_READABLE)
		kill(-helper->process, SIGKILL);
	close(helper->socket);
	while (waitpid(helper->process, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status;
}

enum { FUSERMOUNT_MS = 10000 };

static int mount_with_fusermount(struct mount *mount, int application)
{
	char options[128];
	struct helper helper;
	char *const arguments[] = {fusermount, "-o", options, "--", mount->point.path, NULL};

	snprintf(options, sizeof(options), "ro,nosuid,nodev,subtype=appimage,fsname=appimage,max_read=%d", FUSE_READ_LIMIT);
	int error = start_fusermount(&helper, arguments);
	if (error)
		return error;
	if (process_wait(application, helper.socket, -1) != PEER_READABLE)
		error = -EINTR;
	else
		error = fd_receive_exactly(helper.socket, &mount->device, 1);
	end_fusermount(&helper, application, error == -EINTR ? 0 : FUSERMOUNT_MS);
	return error;
}

/*
 * It unmounts what it finds in the list of mounts only, which it knows as /etc/mtab, and takes a large stack for that;
 * and it gets no rights from a process that may gain none.
 */
static bool fusermount_works(void)
{
	enum { STACK = 256 * 1024 };
	struct rlimit stack;

	return fusermount[0] && !access("/proc/self/mounts", R_OK) && !access("/etc/mtab", R_OK) &&
	       !getrlimit(RLIMIT_STACK, &stack) && stack.rlim_cur >= STACK &&
	       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

int mount_visibly(struct mount *mount, int application)
{
	int error = -ENOENT;

	mount->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (mount->device < 0)
		return -ENODEV;
	if (may_mount(&mount->point))
		error = mount_directly(mount);
	if (!error)
		return 0;
	close(mount->device);
	return fusermount_works() ? mount_with_fusermount(mount, application) : -ENODEV;
}

/* Namespaces */

static int write_file(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written = file < 0 ? -1 : write(file, text, strlen(text));
	int error = written < 0 ? -errno : 0;

	if (file >= 0)
		close(file);
	return error;
}

/* user_namespaces(7): one user and one group, mapped to themselves. */
static int make_namespaces(void)
{
	char users[48], groups[48];
	unsigned user = geteuid(), group = getegid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -errno;
	snprintf(users, sizeof(users), "%u %u 1", user, user);
	snprintf(groups, sizeof(groups), "%u %u 1", group, group);
	int error = write_file("/proc/self/uid_map", users);
	if (!error)
		error = write_file("/proc/self/setgroups", "deny");
	if (!error)
		error = write_file("/proc/self/gid_map", groups);
	return error;
}

/*
 * In a child: makes the namespaces and the mount, and sends them.  It enters its own, too, since the application will:
 * where a filter forbids that, this process is killed and not that one.
 */
static _Noreturn void offer_namespaces(struct mount *mount, int socket)
{
	/* The working directory comes along into the new namespace, open directories do not. */
	if (fchdir(mount->point.directory) || make_namespaces())
		_exit(1);
	mount->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (mount->device < 0 || mount_here(mount->device, ""))
		_exit(1);
	int descriptors[] = {mount->device, open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC),
	                     open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC)};
	if (descriptors[1] < 0 || setns(descriptors[2], CLONE_NEWNS))
		_exit(1);
	_exit(fd_send(socket, "", 1, descriptors, 3) != 0);
}

int mount_in_namespace(struct mount *mount, int application)
{
	int sockets[2], descriptors[3];
	int error = fd_pair(sockets);

	if (error)
		return error;
	pid_t process = fork();
	if (process == 0)
		offer_namespaces(mount, sockets[1]);
	close(sockets[1]);
	if (process < 0)
		error = -EAGAIN;
	else if (process_wait(application, sockets[0], -1) != PEER_READABLE)
		error = -EINTR;
	else
		error = fd_receive_exactly(sockets[0], descriptors, 3);
	close(sockets[0]);
	if (error == -EINTR)
		kill(process, SIGKILL);
	while (process > 0 && waitpid(process, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (!error) {
		mount->device = descriptors[0];
		mount->user_namespace = descriptors[1];
		mount->mount_namespace = descriptors[2];
	}
	return error;
}

/* A mount namespace begins in its root directory: go back to where the user was. */
int mount_enter_namespace(int user_namespace, int mount_namespace)
{
	char path[PATH_MAX];
	int directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *name = getcwd(path, sizeof(path));
	int error = setns(user_namespace, CLONE_NEWUSER) || setns(mount_namespace, CLONE_NEWNS) ? -errno : 0;

	if (!error && (!name || name[0] != '/' || chdir(name)) && (directory < 0 || fchdir(directory)))
		error = -errno;
	if (directory >= 0)
		close(directory);
	return error;
}

/* Unmounting */

static int unmount_with_fusermount(char *path, bool lazily)
{
	char *const arguments[] = {fusermount, lazily ? "-uz" : "-u", "--", path, NULL};
	struct helper helper;
	int error = start_fusermount(&helper, arguments);

	if (error)
		return error;
	int status = end_fusermount(&helper, -1, FUSERMOUNT_MS);
	return status > 0 ? -EAGAIN : status;
}

/* In its parent, which is the working directory, wherever that is now. */
static int current_path(const struct mount_point *point, char path[PATH_MAX])
{
	size_t length = getcwd(path, PATH_MAX) && path[0] == '/' ? strlen(path) + 1 : 0;

	if (length)
		path[length - 1] = '/';
	if (length + strlen(point->name) >= PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(path + length, point->name);
	return 0;
}

int unmount(const struct mount_point *point, bool lazily)
{
	char path[PATH_MAX];

	if (mount_point_is_removed(point))
		return -EINVAL; /* as where nothing is mounted */
	if (fchdir(point->parent))
		return -errno;
	if (!umount2(point->name, UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0)))
		return 0;
	if (errno != EPERM)
		return -errno;
	int error = current_path(point, path);
	return error ? error : unmount_with_fusermount(path, lazily);
}

void unmount_instead(const struct mount_point *point)
{
	char path[PATH_MAX];
	char *const arguments[] = {fusermount, "-uz", "--", path, NULL};

	if (fusermount[0] && !fchdir(point->parent) && !current_path(point, path))
		execv(fusermount, arguments);
}
