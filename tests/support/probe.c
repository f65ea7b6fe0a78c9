/* SPDX-License-Identifier: MIT */
/*
 * The application in the images of torture.py and modes.py: it checks that every file of its image is whole, and
 * reports what it finds of itself.  `probe make DIRECTORY` writes those files.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 40, LARGE = 1 << 20, DAMAGED = 98, WRONG_USE = 99, HIGHEST_DESCRIPTOR = 64, LAST_SIGNAL = 64 };

extern char **environ;

static size_t size_of(unsigned number)
{
	return number ? number * 1009 % 30000 : LARGE;
}

/* Noise, which no packer makes smaller, and which is the same each time. */
static void fill(unsigned number, unsigned char *data, size_t size)
{
	unsigned state = number + 1;

	for (size_t i = 0; i < size; i++) {
		state = state * 1103515245 + 12345;
		data[i] = (unsigned char)(state >> 16);
	}
}

static int make(const char *directory)
{
	static unsigned char data[LARGE];
	char path[PATH_MAX];

	for (unsigned number = 0; number < FILES; number++) {
		snprintf(path, sizeof(path), "%s/%u", directory, number);
		fill(number, data, size_of(number));
		FILE *file = fopen(path, "w");
		if (!file || fwrite(data, 1, size_of(number), file) != size_of(number) || fclose(file))
			return WRONG_USE;
	}
	return 0;
}

static const char *check_file(unsigned number)
{
	static unsigned char found[LARGE + 1], wanted[LARGE];
	char path[PATH_MAX];
	size_t size = size_of(number), length = 0;
	ssize_t got;

	snprintf(path, sizeof(path), "%s/data/%u", getenv("APPDIR"), number);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return strerror(errno);
	while ((got = read(file, found + length, sizeof(found) - length)) > 0)
		length += (size_t)got;
	int error = got < 0 ? errno : 0;
	close(file);
	if (error)
		return strerror(error);
	fill(number, wanted, size);
	return length == size && !memcmp(found, wanted, size) ? NULL : "other bytes";
}

static void check_files(void)
{
	for (unsigned number = 0; number < FILES; number++) {
		const char *fault = check_file(number);
		if (fault) {
			dprintf(STDERR_FILENO, "probe: data/%u: %s\n", number, fault);
			_exit(DAMAGED);
		}
	}
}

static void pause_milliseconds(long milliseconds)
{
	struct timespec left = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};

	while (nanosleep(&left, &left) && errno == EINTR)
		continue;
}

/* Until a signal ends it; SIGUSR1 has it look at its files once more. */
static int wait_and_check_again(void)
{
	sigset_t again;
	int number;

	sigemptyset(&again);
	sigaddset(&again, SIGUSR1);
	sigprocmask(SIG_BLOCK, &again, NULL);
	dprintf(STDOUT_FILENO, "ready\n");
	sigwait(&again, &number);
	check_files();
	return 0;
}

static void report_signal(int number, siginfo_t *information, void *context)
{
	(void)context;
	dprintf(STDOUT_FILENO, "signal %d from %d\n", number, (int)information->si_pid);
}

/* One line for each signal that arrives, until SIGQUIT. */
static int report_signals(void)
{
	static const int reported[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1};
	struct sigaction action = {.sa_sigaction = report_signal, .sa_flags = SA_SIGINFO};

	for (size_t i = 0; i < sizeof(reported) / sizeof(*reported); i++)
		sigaction(reported[i], &action, NULL);
	dprintf(STDOUT_FILENO, "ready\n");
	for (;;)
		pause();
	return 0;
}

/* What a shell's `program &` does: the caller gets its status, and the program goes on. */
static int leave_behind(long milliseconds)
{
	if (fork())
		return 0;
	pause_milliseconds(milliseconds);
	check_files();
	dprintf(STDOUT_FILENO, "whole\n");
	_exit(0);
}

/* An init's work: waits for whatever ends until nothing is left, and finds the orphan among it. */
static int reap(void)
{
	int channel[2], found = 0;
	pid_t orphan = 0, ended;

	if (pipe(channel))
		return WRONG_USE;
	if (fork() == 0) {
		pid_t child = fork();
		if (child == 0) {
			pause_milliseconds(100);
			_exit(0);
		}
		_exit(write(channel[1], &child, sizeof(child)) != sizeof(child));
	}
	if (read(channel[0], &orphan, sizeof(orphan)) != sizeof(orphan))
		return WRONG_USE;
	while ((ended = wait(NULL)) > 0)
		found |= ended == orphan;
	dprintf(STDOUT_FILENO, "pid %d, orphan %s\n", (int)getpid(), found ? "reaped" : "lost");
	return 0;
}

/* Bit n of the status: standard stream n is open; 8: another descriptor is. */
static int descriptors(void)
{
	int status = 0;

	for (int descriptor = 0; descriptor < HIGHEST_DESCRIPTOR; descriptor++) {
		if (fcntl(descriptor, F_GETFD) >= 0)
			status |= descriptor <= STDERR_FILENO ? 1 << descriptor : 8;
	}
	return status;
}

static void print_signals(void)
{
	sigset_t blocked;
	struct sigaction action;

	sigprocmask(SIG_BLOCK, NULL, &blocked);
	printf("blocked");
	for (int number = 1; number <= LAST_SIGNAL; number++) {
		if (sigismember(&blocked, number) == 1)
			printf(" %d", number);
	}
	printf("\nignored");
	for (int number = 1; number <= LAST_SIGNAL; number++) {
		if (!sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN)
			printf(" %d", number);
	}
	printf("\n");
}

static void print_owner(const char *path)
{
	struct stat status;

	if (!stat(path, &status))
		printf("owner of %s %u:%u\n", path, (unsigned)status.st_uid, (unsigned)status.st_gid);
}

static void print_namespace(const char *name)
{
	char path[64], target[64];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	printf("namespace %.*s\n", length < 0 ? 0 : (int)length, target);
}

/* Who this is, for its own child too, as that is what is asked about. */
static int identity(void)
{
	gid_t groups[64];
	int count = getgroups(64, groups);

	printf("users %u %u, groups %u %u:", (unsigned)getuid(), (unsigned)geteuid(), (unsigned)getgid(),
	       (unsigned)getegid());
	for (int i = 0; i < count; i++)
		printf(" %u", (unsigned)groups[i]);
	printf("\n");
	print_owner("/");
	print_owner("/etc");
	print_owner("/etc/passwd");
	print_owner(".");
	print_namespace("user");
	print_namespace("mnt");
	print_namespace("pid");
	print_signals();
	fflush(stdout);
	return 0;
}

/* Of a child, as it is about what an application starts. */
static int environment(void)
{
	if (fork() == 0) {
		for (char **variable = environ; *variable; variable++)
			printf("%s%c", *variable, 0);
		fflush(stdout);
		_exit(0);
	}
	return wait(NULL) < 0;
}

/* statfs(2): the number of the kind of file system that the image's files are in. */
static int report_file_system(void)
{
	struct statfs status;

	if (statfs(getenv("APPDIR"), &status))
		return WRONG_USE;
	dprintf(STDOUT_FILENO, "%lx\n", (unsigned long)status.f_type);
	return 0;
}

static int report_process(void)
{
	dprintf(STDOUT_FILENO, "%d\n", (int)getpid());
	return 0;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "exit";
	const char *argument = argc > 2 ? argv[2] : "0";

	if (!strcmp(command, "make"))
		return make(argument);
	if (!strcmp(command, "descriptors"))
		return descriptors();
	if (getenv("APPDIR"))
		check_files();
	if (!strcmp(command, "exit"))
		return atoi(argument);
	if (!strcmp(command, "raise"))
		return raise(atoi(argument));
	if (!strcmp(command, "wait"))
		return wait_and_check_again();
	if (!strcmp(command, "report-signals"))
		return report_signals();
	if (!strcmp(command, "leave-behind"))
		return leave_behind(atol(argument));
	if (!strcmp(command, "reap"))
		return reap();
	if (!strcmp(command, "identity"))
		return identity();
	if (!strcmp(command, "environment"))
		return environment();
	if (!strcmp(command, "file-system"))
		return report_file_system();
	if (!strcmp(command, "process"))
		return report_process();
	return WRONG_USE;
}
