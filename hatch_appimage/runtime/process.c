/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monotonic.h"

bool process_is_filtered(void)
{
	return prctl(PR_GET_SECCOMP) > 0;
}

/*
 * seccomp(2): a filter may kill the process for a system call that is newer than the filter.  A child makes the call
 * first, with arguments that no call accepts.
 */
static bool may_call(long number)
{
	int status;

	if (!process_is_filtered())
		return true;
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_DUMPABLE, 0);
		syscall(number, -1, -1, -1);
		_exit(0);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return false;
	}
	return child > 0 && WIFEXITED(status);
}

int process_open(pid_t process)
{
	char path[32];
	int descriptor = may_call(SYS_pidfd_open) ? (int)syscall(SYS_pidfd_open, process, 0) : -1;

	if (descriptor >= 0)
		return descriptor;
	/* Before Linux 5.3: the process's directory, whose files are gone with it. */
	snprintf(path, sizeof(path), "/proc/%d", (int)process);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Orphans come back to the first process of a container, and to whoever has asked for them. */
static bool adopts_orphans(void)
{
	int subreaper = 0;

	return getpid() == 1 || (!prctl(PR_GET_CHILD_SUBREAPER, &subreaper) && subreaper);
}

/* clone(2): wait() passes over a child that sends no signal when it ends.  fork(2) cannot make one. */
static int fork_unwaited(void)
{
	long child = syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);

	return child < 0 ? -errno : child > 0;
}

/* What stops the caller's group may reach a child on its way out of it, whom nobody would resume with the group. */
static int wait_for_child(pid_t child, int *status)
{
	for (;;) {
		pid_t waited = waitpid(child, status, WUNTRACED);
		if (waited == child && !WIFSTOPPED(*status))
			return 0;
		if (waited == child)
			kill(child, SIGCONT);
		else if (errno != EINTR)
			return -errno;
	}
}

int process_fork_aside(void)
{
	if (adopts_orphans()) {
		int forked = fork_unwaited();
		if (forked == 0)
			setsid();
		return forked;
	}
	int status;
	pid_t between = fork();
	if (between == 0) {
		/* Its group outlives it.  Who leads a group cannot leave the session, so the child must not. */
		pid_t child = setpgid(0, 0) ? -1 : fork();
		if (child == 0)
			return 0;
		_exit(child < 0 ? errno : 0);
	}
	if (between < 0)
		return -errno;
	int error = wait_for_child(between, &status);
	if (error)
		return error == -ECHILD ? 1 : error; /* who ignores SIGCHLD has no children to wait for */
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 1 : -EAGAIN;
}

static bool directory_is_empty(int process)
{
	return faccessat(process, "stat", F_OK, 0) != 0;
}

enum process_event process_wait(int process, int peer, int timeout_ms)
{
	enum { LOOK_AGAIN_MS = 500 };
	struct pollfd wanted[] = {{.fd = process, .events = POLLIN}, {.fd = peer, .events = POLLIN}};
	bool is_directory = process >= 0 && faccessat(process, ".", F_OK, 0) == 0;

	for (;;) {
		if (is_directory) {
			/* A directory is always ready: only looking again tells. */
			wanted[0].fd = -1;
			if (directory_is_empty(process))
				return PROCESS_ENDED;
		}
		int pause_ms = is_directory && (timeout_ms < 0 || timeout_ms > LOOK_AGAIN_MS) ? LOOK_AGAIN_MS : timeout_ms;
		int ready = poll(wanted, 2, pause_ms);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready < 0) {
			/* For want of memory: what has been waited for is there later as well. */
			pause_ms = LOOK_AGAIN_MS;
			monotonic_sleep((uint64_t)LOOK_AGAIN_MS * NS_PER_MS);
			wanted[0].revents = wanted[1].revents = 0;
		}
		if (wanted[1].revents)
			return PEER_READABLE;
		if (wanted[0].revents)
			return PROCESS_ENDED;
		if (timeout_ms >= 0 && (timeout_ms -= pause_ms) <= 0)
			return TIMED_OUT;
	}
}

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return !strncmp(path, directory, length) && (path[length] == '/' || !path[length]);
}

static bool links_below(int parent, const char *name, const char *directory)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(parent, name, target, sizeof(target) - 1);

	if (length < 0)
		return false;
	target[length] = 0;
	return is_below(target, directory);
}

/* Whether a file of a process, with a zero byte in front of it, has these bytes in it. */
static bool contains(int process, const char *name, const void *wanted, size_t length)
{
	char buffer[PATH_MAX + 4096];
	size_t kept = 0;
	int file = openat(process, name, O_RDONLY | O_CLOEXEC);
	bool found = false;
	ssize_t got;

	if (file < 0)
		return false;
	buffer[kept++] = 0;
	while (!found && (got = read(file, buffer + kept, sizeof(buffer) - kept)) > 0) {
		kept += (size_t)got;
		found = memmem(buffer, kept, wanted, length);
		if (kept >= length) {
			memmove(buffer, buffer + kept - length + 1, length - 1);
			kept = length - 1;
		}
	}
	close(file);
	return found;
}

/* proc(5): the environment that the process was started with, each variable ended by a zero byte. */
static bool has_appdir_env(int process, const char *directory)
{
	char wanted[PATH_MAX + 16];
	int length = snprintf(wanted, sizeof(wanted), "%cAPPDIR=%s", 0, directory);

	return contains(process, "environ", wanted, (size_t)length + 1);
}

/* A zombie has no executable and uses nothing. */
static bool runs_from(int process, const char *directory)
{
	return links_below(process, "exe", directory) || links_below(process, "cwd", directory) ||
	       has_appdir_env(process, directory);
}

static bool has_open(int process, const char *directory)
{
	int descriptors = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = descriptors < 0 ? NULL : fdopendir(descriptors);
	struct dirent *entry;
	bool found = false;

	while (listing && !found && (entry = readdir(listing)))
		found = links_below(descriptors, entry->d_name, directory);
	if (listing)
		closedir(listing);
	else if (descriptors >= 0)
		close(descriptors);
	return found;
}

static bool has_mapped(int process, const char *directory)
{
	char wanted[PATH_MAX + 16];
	int length = snprintf(wanted, sizeof(wanted), " %s/", directory);

	return contains(process, "maps", wanted, (size_t)length);
}

static bool holds(int process, const char *directory)
{
	return links_below(process, "root", directory) || has_open(process, directory) || has_mapped(process, directory);
}

/* The first process of which something is true, but this one and its parent, the server; 0 when there is none. */
static pid_t find_process(bool (*matches)(int process, const char *directory), const char *directory)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (processes && !found && (entry = readdir(processes))) {
		pid_t number = atoi(entry->d_name);
		if (number <= 0 || number == getpid() || number == getppid())
			continue;
		int process = openat(dirfd(processes), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (process < 0)
			continue;
		if (matches(process, directory))
			found = number;
		close(process);
	}
	if (processes)
		closedir(processes);
	return found;
}

pid_t process_using(const char *directory)
{
	return find_process(runs_from, directory);
}

bool process_holds_files(const char *directory)
{
	return find_process(runs_from, directory) || find_process(holds, directory);
}

static int compare_descriptors(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The limit of open files may be a thousand million. */
static void close_one_by_one(int first, int last)
{
	enum { MAX_TRIED = 1 << 16 };
	int open_files = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = open_files < 0 ? NULL : fdopendir(open_files);
	struct dirent *entry;

	while (listing && (entry = readdir(listing))) {
		int descriptor = atoi(entry->d_name);
		if (descriptor >= first && descriptor <= last && descriptor != open_files)
			close(descriptor);
	}
	if (listing) {
		closedir(listing);
		return;
	}
	for (int descriptor = first; descriptor <= last && descriptor < MAX_TRIED; descriptor++)
		close(descriptor);
}

/* Includes `last`. */
static void close_between(int first, int last, bool at_once)
{
	/* Before Linux 5.9 there is no such call. */
	if (first <= last && (!at_once || syscall(SYS_close_range, first, last, 0)))
		close_one_by_one(first, last);
}

static void close_others(const int *kept, size_t count)
{
	enum { MAX_KEPT = 6 };
	int ascending[MAX_KEPT];
	int next = STDERR_FILENO + 1;
	bool at_once = may_call(SYS_close_range);

	memcpy(ascending, kept, count * sizeof(*kept));
	qsort(ascending, count, sizeof(*ascending), compare_descriptors);
	for (size_t i = 0; i < count; i++) {
		if (ascending[i] < next)
			continue;
		close_between(next, ascending[i] - 1, at_once);
		next = ascending[i] + 1;
	}
	close_between(next, INT_MAX, at_once);
}

void process_detach(const int *kept, size_t count)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signal(SIGCHLD, SIG_DFL); /* who ignores it never learns how a child has ended */
	(void)!chdir("/"); /* if that fails, a directory stays busy as long as this process lives */
	close_others(kept, count);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++) {
		if (null < 0 || dup2(null, descriptor) < 0)
			close(descriptor);
	}
	if (null > STDERR_FILENO)
		close(null);
}

unsigned process_processors(unsigned limit)
{
	cpu_set_t set;
	unsigned count = sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned)CPU_COUNT(&set);

	return count < limit ? count : limit;
}

bool process_start_thread(void *(*function)(void *), void *argument, const cpu_set_t *processors)
{
	enum { STACK = 256 * 1024 };
	pthread_attr_t attributes;
	pthread_t thread;

	if (pthread_attr_init(&attributes) || pthread_attr_setstacksize(&attributes, STACK) ||
	    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) ||
	    pthread_create(&thread, &attributes, function, argument))
		return false;
	if (processors)
		pthread_setaffinity_np(thread, sizeof(*processors), processors);
	return true;
}
