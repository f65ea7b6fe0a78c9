/* SPDX-License-Identifier: MIT */
/* The command line and the environment of an AppImage. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon.h"
#include "elf_file.h"
#include "extract.h"
#include "extracted_run.h"
#include "message.h"
#include "squashfs.h"

#define PREFIX "--appimage"
#define LIBEXEC "/usr/libexec/"

/* What AppRun runs instead of the application by its first argument, if the image has it (hatch_appimage/layout.py). */
static const struct part {
	const char *option, *directory, *missing;
} PARTS[] = {
	{PREFIX "-self-test", "self-test", "this AppImage has no self-test"},
	{PREFIX "-self", "appimage-self", "this AppImage does not manage itself: it was built without `manage`"},
};

struct appimage {
	int file;
	char path[PATH_MAX];
	const char *called; /* as the user typed it */
	uint64_t offset;
	struct squashfs fs;
};

static void help(const struct appimage *image)
{
	dprintf(STDERR_FILENO,
	        "AppImage options:\n"
	        "\n"
	        "  --appimage-extract [<pattern>]  Extract the files to ./squashfs-root, or those that match\n"
	        "  --appimage-extract-and-run      Run from a temporary copy instead of a mount\n"
	        "  --appimage-help                 Print this help\n"
	        "  --appimage-mount                Mount, print the mount point and wait to be ended with Ctrl-C\n"
	        "  --appimage-offset               Print where in this file the SquashFS image begins\n"
	        "  --appimage-portable-home        Make a directory that is used as $HOME\n"
	        "  --appimage-portable-config      Make a directory that is used as $XDG_CONFIG_HOME\n"
	        "  --appimage-self <command>       Update or verify this file, if it can; --help lists the commands\n"
	        "  --appimage-self-test            See whether all parts of the application work on this machine\n"
	        "  --appimage-signature            Print the signature\n"
	        "  --appimage-updateinfo[rmation]  Print where updates come from\n"
	        "  --appimage-version              Print what runs this AppImage, and its licences\n"
	        "\n"
	        "They count as the first argument only; all others go to the application.\n"
	        "\n"
	        "Variables: APPIMAGE_EXTRACT_AND_RUN (do so), NO_CLEANUP (keep the copy), TMPDIR (where mounts and\n"
	        "copies go), FUSERMOUNT_PROG (instead of fusermount3), APPIMAGE_NO_PREFETCH (do not).\n"
	        "\n"
	        "Portable: while these directories exist, the application keeps its data and its settings in them.\n"
	        "\n"
	        "  %s.home\n"
	        "  %s.config\n",
	        image->path, image->path);
}

static void version(void)
{
	dprintf(STDERR_FILENO,
	        "hatch-appimage runtime " VERSION "\n"
	        "It contains:\n"
	        "  hatch-appimage  MIT           the runtime itself\n"
	        "  musl            MIT           the C library\n"
	        "  Zstandard       BSD-3-Clause  the decompressor\n"
	        "  compiler-rt     MIT           Zig's support for the compiler\n"
	        "Their texts are in the Python package hatch_appimage, runtime/built/licenses.\n");
}

/* What is opened is never a descriptor that the application would take for its standard streams. */
static void occupy_standard_streams(void)
{
	for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++) {
		if (fcntl(descriptor, F_GETFD) < 0)
			open("/dev/null", O_RDWR | O_CLOEXEC);
	}
}

static void find_image(struct appimage *image, const char *called)
{
	/* A launcher has extract_first the runtime elsewhere, or runs one of its own: this is the file that is meant. */
	const char *target = getenv("TARGET_APPIMAGE");
	const char *started = (const char *)getauxval(AT_EXECFN);

	image->called = target ? target : called;
	image->file = open(target ? target : "/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (image->file < 0 && !target && started)
		image->file = open(started, O_RDONLY | O_CLOEXEC); /* no /proc */
	if (image->file < 0)
		die("cannot open %s: %s", image->called, strerror(errno));
	ssize_t length = target ? -1 : readlink("/proc/self/exe", image->path, sizeof(image->path) - 1);
	if (length > 0)
		image->path[length] = 0;
	else if (!realpath(target ? target : started, image->path))
		snprintf(image->path, sizeof(image->path), "%s", image->called); /* longer than a path may be */
	if (elf_end(image->file, &image->offset))
		die("%s is not an AppImage", image->called);
}

static void open_squashfs(struct appimage *image)
{
	int error = squashfs_open(&image->fs, image->file, image->offset);

	if (error)
		die("cannot read %s: %s", image->called, explain(error));
}

static void print_section(const struct appimage *image, const char *name)
{
	char text[8192] = "";

	elf_section(image->file, name, text, sizeof(text) - 1);
	printf("%s\n", text);
}

static void make_portable(const struct appimage *image, const char *what, const char *suffix)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s%s", image->path, suffix);
	if (mkdir(path, 0700))
		die("cannot create %s: %s", path, strerror(errno));
	dprintf(STDERR_FILENO, "Portable %s directory created at %s\n", what, path);
}

static int extract_here(struct appimage *image, int argc, char **argv)
{
	static struct extraction extraction;

	if (argc > 3) {
		dprintf(STDERR_FILENO, "Unexpected argument count: %d\nUsage: %s --appimage-extract [<prefix>]\n", argc - 1,
		        argv[0]);
		return 1;
	}
	open_squashfs(image);
	extraction = (struct extraction){.fs = &image->fs, .pattern = argv[2], .announced = "squashfs-root/"};
	if (mkdir("squashfs-root", 0755) && errno != EEXIST)
		die("cannot create squashfs-root: %s", strerror(errno));
	extraction.root = open("squashfs-root", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (extraction.root < 0)
		die("cannot write to squashfs-root: %s", strerror(errno));
	int error = extract(&extraction);
	if (error)
		die("cannot extract %s: %s", extraction.failed, extract_explain(error));
	return 0;
}

/* The environment */

static bool belongs_to_user(const struct stat *status)
{
	return status->st_uid == geteuid();
}

/*
 * Its files are obeyed as the user's own, so nobody else may put any into it, nor lead elsewhere by a link in its place.
 * One that the user cannot write to has been made for somebody else. Root can write to all of them: when an application
 * starts a part of itself as root, its user's stays the user's.
 */
static void use_portable(const struct appimage *image, const char *variable, const char *suffix)
{
	char path[PATH_MAX + 16];
	struct stat name, status;

	snprintf(path, sizeof(path), "%s%s", image->path, suffix);
	if (lstat(path, &name) || stat(path, &status) || !S_ISDIR(status.st_mode) || access(path, W_OK))
		return;
	if (!geteuid() && status.st_uid)
		return;
	if (!belongs_to_user(&name) || !belongs_to_user(&status))
		die("%s is not used as $%s, because it belongs to another user: remove it, or become its owner", path, variable);
	if (status.st_mode & S_IWOTH)
		die("%s is not used as $%s, because all users can write to it: run chmod o-w on it", path, variable);
	dprintf(STDERR_FILENO, "Setting $%s to %s\n", variable, path);
	setenv(variable, path, 1);
}

static void set_environment(const struct appimage *image)
{
	char directory[PATH_MAX];

	use_portable(image, "HOME", ".home");
	use_portable(image, "XDG_CONFIG_HOME", ".config");
	setenv("APPIMAGE", image->path, 1);
	setenv("ARGV0", image->called, 1);
	/* A directory that has been removed has no name; what an outer AppImage has set must not stand for it. */
	if (getcwd(directory, sizeof(directory)) && directory[0] == '/')
		setenv("OWD", directory, 1);
	else
		unsetenv("OWD");
	/* Another AppImage that the application starts is not this one. */
	unsetenv("TARGET_APPIMAGE");
	unsetenv("REDIRECT_APPIMAGE");
}

/* Running */

/* Tells mounts apart for people; only characters that no variable, option or shell takes for something else. */
static void name_mount_point(const struct appimage *image, char *prefix, size_t room)
{
	const char *slash = strrchr(image->path, '/');
	int length = snprintf(prefix, room, ".mount_%-6.6s", slash ? slash + 1 : image->path);

	for (char *at = prefix; at < prefix + length; at++) {
		bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
		if (!plain && *at != '.' && *at != '-')
			*at = '_';
	}
}

/* Whoever enters a user namespace loses rights, but to unpack a large image takes long; see docs/how-it-works.md. */
static bool is_large(const struct appimage *image)
{
	const uint64_t large = 256u << 20;
	struct stat status;

	return !fstat(image->file, &status) && (uint64_t)status.st_size - image->offset >= large;
}

static int start_daemon(const struct appimage *image, struct daemon *daemon, bool for_others)
{
	static char prefix[MOUNT_POINT_NAME_ROOM];

	name_mount_point(image, prefix, sizeof(prefix));
	return daemon_start(daemon, &(struct daemon_task){.file = image->file,
	                                                  .offset = image->offset,
	                                                  .prefix = prefix,
	                                                  .in_namespace = !for_others && is_large(image)});
}

static const struct part *find_part(char **argv)
{
	for (size_t i = 0; argv[0] && argv[1] && i < sizeof(PARTS) / sizeof(*PARTS); i++)
		if (!strcmp(argv[1], PARTS[i].option))
			return &PARTS[i];
	return NULL;
}

/* An AppRun that does not know the option would start the application with it. */
static void check_part(const char *root, const struct part *part)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s" LIBEXEC "%s", root, part->directory);
	if (access(path, F_OK))
		die("%s", part->missing);
}

/* Becomes the application. */
static _Noreturn void run_from(const char *root, char **argv)
{
	char program[PATH_MAX + 16];
	const struct part *part = find_part(argv);

	if (part)
		check_part(root, part);
	snprintf(program, sizeof(program), "%s/AppRun", root);
	setenv("APPDIR", root, 1);
	execv(program, argv);
	die("cannot run AppRun: %s", errno == EIO ? explain(-EIO) : strerror(errno));
}

static _Noreturn void run_extracted(struct appimage *image, char **argv, bool announced)
{
	static struct extracted_run extracted;

	open_squashfs(image);
	extracted_run_make(&extracted, &image->fs, announced);
	run_from(extracted.root, argv);
}

static _Noreturn void run(struct appimage *image, char **argv, bool extract_first)
{
	static char point[MOUNT_POINT_ROOM];
	struct daemon daemon;

	extract_first |= getenv("APPIMAGE_EXTRACT_AND_RUN") != NULL;
	bool started = !extract_first && !start_daemon(image, &daemon, false);

	set_environment(image);
	if (started && !daemon_wait(&daemon, point))
		run_from(point, argv);
	run_extracted(image, argv, !extract_first);
}

/* Shows a copy where nothing can be mounted. */
static void show_extracted(struct appimage *image)
{
	static struct extracted_run extracted;

	open_squashfs(image);
	extracted_run_make(&extracted, &image->fs, true);
	dprintf(STDOUT_FILENO, "%s\n", extracted.root);
}

static _Noreturn void show(struct appimage *image)
{
	static const int ends[] = {SIGHUP, SIGINT, SIGTERM};
	static char point[MOUNT_POINT_ROOM];
	struct daemon daemon;

	if (start_daemon(image, &daemon, true) || daemon_wait(&daemon, point))
		show_extracted(image);
	else
		dprintf(STDOUT_FILENO, "%s\n", point);
	/* The kernel spares the first process of a container what it does not ask for. */
	if (getpid() == 1) {
		for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
			signal(ends[i], _exit);
	}
	for (;;)
		pause();
}

static int command(struct appimage *image, int argc, char **argv)
{
	const char *name = argv[1] + strlen(PREFIX);

	if (!strcmp(name, "-help"))
		help(image);
	else if (!strcmp(name, "-version"))
		version();
	else if (!strcmp(name, "-offset"))
		printf("%llu\n", (unsigned long long)image->offset);
	else if (!strcmp(name, "-signature"))
		print_section(image, ".sha256_sig");
	else if (!strcmp(name, "-updateinfo") || !strcmp(name, "-updateinformation"))
		print_section(image, ".upd_info");
	else if (!strcmp(name, "-portable-home"))
		make_portable(image, "home", ".home");
	else if (!strcmp(name, "-portable-config"))
		make_portable(image, "config", ".config");
	else if (!strcmp(name, "-extract"))
		return extract_here(image, argc, argv);
	else if (!strcmp(name, "-mount"))
		show(image);
	else {
		dprintf(STDERR_FILENO, "%s is not yet implemented in version " VERSION "\n", argv[1]);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct appimage image;

	occupy_standard_streams();
	find_image(&image, argc ? argv[0] : "AppImage");
	if (argc < 2 || strncmp(argv[1], PREFIX, strlen(PREFIX)) || find_part(argv))
		run(&image, argv, false);
	if (!strcmp(argv[1], PREFIX "-extract-and-run")) {
		argv[1] = argv[0];
		run(&image, argv + 1, true);
	}
	return command(&image, argc, argv);
}
