/* SPDX-License-Identifier: MIT */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptors.h"
#include "folder.h"
#include "fuse.h"

extern char **environ;

#define DEVICE "/dev/fuse"
#define FILE_SYSTEM "fuse.appimage"

/* Documentation/filesystems/fuse.rst, "Mount options" */
static int mount_directly(struct mount *mount_, const char *more_options)
{
	char options[160];
	int device = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (device < 0)
		return -errno;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u,max_read=%d%s", device,
	         (unsigned)geteuid(), (unsigned)getegid(), FUSE_READ_LIMIT, more_options);
	if (mount("appimage", mount_->point, FILE_SYSTEM, MS_RDONLY | MS_NOSUID | MS_NODEV, options)) {
		int error = -errno;
		close(device);
		return error;
	}
	mount_->device = device;
	return 0;
}

/* fusermount */

static bool executable_in(const char *folder, size_t length, const char *name, char *path)
{
	return length && snprintf(path, PATH_MAX, "%.*s/%s", (int)length, folder, name) < PATH_MAX && !access(path, X_OK);
}

static bool find_fusermount(char *path)
{
	static const char *const names[] = {"fusermount3", "fusermount"};
	/* After PATH, which may be unset or cut short: where distributions put it. */
	static const char *const folders = "/usr/bin:/bin:/run/wrappers/bin:/usr/local/bin";
	const char *wish = getenv("FUSERMOUNT_PROG");
	const char *lists[] = {getenv("PATH"), folders};

	if (wish && *wish)
		return snprintf(path, PATH_MAX, "%s", wish) < PATH_MAX;
	for (size_t i = 0; i < 2; i++) {
		for (size_t name = 0; name < 2; name++) {
			for (const char *at = lists[i]; at && *at;) {
				size_t length = strcspn(at, ":");
				if (executable_in(at, length, names[name], path))
					return true;
				at += length + (at[length] == ':');
			}
		}
	}
	return false;
}

/* Runs it quietly; what it would complain of, the next way in may not need. */
static int spawn_quietly(pid_t *process, const char *program, char *const *arguments)
{
	posix_spawn_file_actions_t actions;

	posix_spawn_file_actions_init(&actions);
	for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++)
		posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0);
	int error = posix_spawn(process, program, &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}

/* libfuse, util/fusermount.c: it opens the device, mounts, and sends the descriptor over the socket _FUSE_COMMFD. */
static int mount_with_fusermount(struct mount *mount)
{
	char program[PATH_MAX], number[16], options[128];
	int sockets[2];
	pid_t process;

	if (!find_fusermount(program))
		return -ENOENT;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	fcntl(sockets[1], F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", sockets[1]);
	snprintf(options, sizeof(options), "ro,nosuid,nodev,subtype=appimage,fsname=appimage,max_read=%d", FUSE_READ_LIMIT);
	setenv("_FUSE_COMMFD", number, 1);
	char *const arguments[] = {program, "-o", options, "--", mount->point, NULL};
	int error = spawn_quietly(&process, program, arguments);
	unsetenv("_FUSE_COMMFD");
	close(sockets[1]);
	if (!error) {
		error = receive_descriptors(sockets[0], &mount->device, 1);
		waitpid(process, NULL, 0);
	}
	close(sockets[0]);
	return error;
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
static int enter_new_namespaces(void)
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

/* In a child: makes the namespaces and the mount, sends them, and keeps them until the parent has joined. */
static _Noreturn void offer_namespaces(struct mount *mount, int socket)
{
	char joined;

	if (enter_new_namespaces() || mount_directly(mount, ""))
		_exit(1);
	int descriptors[] = {mount->device, open("/proc/self/ns/user", O_RDONLY), open("/proc/self/ns/mnt", O_RDONLY)};
	send_descriptors(socket, descriptors, 3);
	(void)!read(socket, &joined, 1);
	_exit(0);
}

/* A mount namespace begins in its root folder: go back to where the user was. */
static int join(int user_namespace, int mount_namespace)
{
	char path[PATH_MAX];
	int folder = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *name = getcwd(path, sizeof(path));
	int error = setns(user_namespace, CLONE_NEWUSER) || setns(mount_namespace, CLONE_NEWNS) ? -errno : 0;

	if (!error && (!name || name[0] != '/' || chdir(name)))
		(void)!fchdir(folder);
	close(folder);
	return error;
}

/* A child tries first: this process would not get out again if the mount failed. */
static int mount_in_namespace(struct mount *mount)
{
	int sockets[2], descriptors[3];

	if (access(DEVICE, R_OK | W_OK) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	pid_t process = fork();
	if (process == 0) {
		close(sockets[0]);
		offer_namespaces(mount, sockets[1]);
	}
	close(sockets[1]);
	int error = process < 0 ? -EAGAIN : receive_descriptors(sockets[0], descriptors, 3);
	if (!error) {
		error = join(descriptors[1], descriptors[2]);
		close(descriptors[1]);
		close(descriptors[2]);
		mount->device = descriptors[0];
		if (error)
			close(mount->device);
	}
	close(sockets[0]);
	if (process > 0)
		waitpid(process, NULL, 0);
	return error;
}

static int make_mount_point(struct mount *mount, const char *prefix)
{
	char parent[PATH_MAX];
	int error = -ENOENT;

	for (unsigned i = 0; folder_candidate(i, parent, sizeof(parent)); i++) {
		if (*parent && !(error = folder_make(mount->point, sizeof(mount->point), parent, prefix)))
			return 0;
	}
	return error;
}

int mount_fuse(struct mount *mount, const char *prefix, bool for_others)
{
	int error = make_mount_point(mount, prefix);

	if (error)
		return error;
	mount->way = MOUNT_DIRECTLY;
	/* What root starts may go on as another user: let it read its own program. */
	error = mount_directly(mount, ",allow_other,default_permissions");
	if (error) {
		mount->way = MOUNT_FUSERMOUNT;
		error = mount_with_fusermount(mount);
	}
	if (error && !for_others) {
		mount->way = MOUNT_IN_NAMESPACE;
		error = mount_in_namespace(mount);
	}
	if (error)
		rmdir(mount->point);
	return error;
}

int unmount_fuse(const struct mount *mount, bool lazily)
{
	char program[PATH_MAX];
	pid_t process;
	int status = -1;

	if (mount->way != MOUNT_FUSERMOUNT)
		return umount2(mount->point, lazily ? MNT_DETACH : 0) ? -errno : 0;
	if (!find_fusermount(program))
		return -ENOENT;
	char *const arguments[] = {program, lazily ? "-uz" : "-u", "--", (char *)mount->point, NULL};
	int error = spawn_quietly(&process, program, arguments);
	if (!error && (waitpid(process, &status, 0) != process || status))
		error = -EBUSY;
	return error;
}
