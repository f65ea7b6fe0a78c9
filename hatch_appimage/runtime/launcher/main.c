/* SPDX-License-Identifier: MIT */
/*
 * The launcher: the program AppRun of an image, its interpreter usr/bin/python3.x, and what stands in for the real
 * interpreter where the machine's C library does not do. Told by a file beside it, it becomes the real interpreter,
 * isolated from the user's Python, and starts no other process for that.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "environment.h"
#include "file.h"
#include "launch.h"
#include "message.h"
#include "start.h"

/* The application */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/*
 * By what name the image was started: that of a link to AppRun, else what the runtime has put into ARGV0. Beside the
 * APPDIR of another AppImage, ARGV0 is the other's, too.
 */
static const char *find_called(const struct launch *launch, const char *appdir)
{
	const char *other = getenv("APPDIR"), *name = getenv("ARGV0");

	if (strcmp(last_part(launch->place.called), "AppRun"))
		return launch->place.called;
	if (other && *other && !is_same_file(other, appdir))
		return launch->place.called;
	return name ? name : "";
}

static char *find_script(const struct launch *launch, const char *called)
{
	char *script = launch_path(launch, launch_get(launch, KEY_SCRIPT));
	const char *name = last_part(called);

	if (!launch_has(launch, KEY_LINK, name))
		return script;
	*strrchr(script, '/') = 0;
	return join(script, "/", name, NULL);
}

/*
 * Not isolated: whoever asks for the interpreter by its name wants what every interpreter does, and so does what it
 * starts, for which it has a name of its own. Only packages of the user's own Python stay out (-s). The options -X tell
 * site.py by which link it was called, as a virtual environment may be around that, and have it read from its file,
 * which is adapted, instead of the copy within the interpreter.
 */
static void add_exposed(struct arguments *arguments, const char *called)
{
	arguments_add(arguments, "-s");
	arguments_add(arguments, "-X");
	arguments_add(arguments, "frozen_modules=off");
	arguments_add(arguments, "-X");
	arguments_add(arguments, join("appimage=", called, NULL));
}

/* As the first argument, the runtime keeps everything that looks like these to itself, and hands on these only. */
static bool wants_self_test(const struct launch *launch, char **given)
{
	return *given && !strcmp(*given, "--appimage-self-test") && launch_get(launch, KEY_SELF_TEST);
}

/* A link that starts another command, or the interpreter, has no such sub-command. */
static bool wants_to_manage(const struct launch *launch, char **given, const char *called)
{
	const char *name = last_part(called), *word = launch_get(launch, KEY_MANAGE_WORD);

	if (!*given || !launch_get(launch, KEY_MANAGE))
		return false;
	if (!strcmp(*given, "--appimage-self"))
		return true;
	return word && !strcmp(*given, word) && !launch_has(launch, KEY_LINK, name) &&
	       !launch_has(launch, KEY_EXPOSE, name);
}

static _Noreturn void run_application(const struct launch *launch, size_t argc, char **given)
{
	const char *appdir = *launch->place.directory ? launch->place.directory : "/";
	const char *called = find_called(launch, appdir);
	bool tests = wants_self_test(launch, given);
	bool manages = !tests && wants_to_manage(launch, given, called);
	bool exposes = !tests && !manages && launch_has(launch, KEY_EXPOSE, last_part(called));
	const char *own = exposes ? launch_get(launch, KEY_EXPOSED_NAME) : NULL;
	const char *name = launch_path(launch, own ? own : launch_get(launch, KEY_NAME));
	struct arguments arguments = arguments_begin(launch, argc, name);
	const char *command = NULL;

	if (tests) {
		arguments_add_options(&arguments, launch);
		arguments_add_level(&arguments, launch, NULL);
		arguments_add(&arguments, launch_path(launch, launch_get(launch, KEY_SELF_TEST)));
		given++;
	} else if (manages) {
		/* Without what packages bring into every start (-S): it is for when the application is broken, too. */
		arguments_add_options(&arguments, launch);
		arguments_add(&arguments, "-S");
		arguments_add_level(&arguments, launch, NULL);
		arguments_add(&arguments, launch_path(launch, launch_get(launch, KEY_MANAGE)));
		given++;
	} else if (exposes) {
		add_exposed(&arguments, called);
	} else {
		arguments_add_options(&arguments, launch);
		arguments_add_level(&arguments, launch, NULL);
		const char *script = find_script(launch, called);
		arguments_add(&arguments, script);
		command = last_part(script);
	}
	arguments_end(&arguments, given);
	start(launch, command, &arguments, environment_make(&launch->settings, appdir));
}

/* The interpreter */

/*
 * What the interpreter takes for its own path. That of a link stays, as a virtual environment may be around it; one that
 * was found on PATH is where the kernel has found it. Descriptors lead nowhere any more.
 */
static const char *find_name(const struct launch *launch, const char *given)
{
	const char *called = launch->place.called;

	if (given && strchr(given, '/'))
		return given;
	if (strchr(called, '/') && strncmp(called, "/dev/fd/", 8))
		return called;
	return launch_path(launch, launch_get(launch, KEY_NAME));
}

/* Whether it is isolated already, as in processes that start themselves again by sys.orig_argv. */
static bool has_options(const struct launch *launch, char **given)
{
	if (*given && !strncmp(*given, "-I", 2))
		return true;
	for (size_t i = 0; i < launch->settings.count; i++)
		if (launch->settings.list[i].key == KEY_OPTION &&
		    (!*given || strcmp(*given++, launch->settings.list[i].value)))
			return false;
	return true;
}

/* By which of the image's commands it is run: they say so themselves, as the kernel only knows the shell of a script. */
static const char *take_command(char ***given)
{
	static const char option[] = "--appimage-process=";

	if (!**given || strncmp(**given, option, sizeof(option) - 1))
		return NULL;
	return last_part(*(*given)++ + sizeof(option) - 1);
}

static _Noreturn void run_interpreter(const struct launch *launch, size_t argc, const char *name, char **given)
{
	struct arguments arguments = arguments_begin(launch, argc, find_name(launch, name));
	const char *command = take_command(&given);

	if (!has_options(launch, given))
		arguments_add_options(&arguments, launch);
	arguments_add_level(&arguments, launch, given);
	arguments_end(&arguments, given);
	start(launch, command, &arguments, environ);
}

/*
 * The path that was started.  Where this is the interpreter that a script names, the kernel says the script's path
 * (AT_EXECFN), and the interpreter's in the first argument.
 */
static const char *find_started(const char *name)
{
	const char *file = (const char *)getauxval(AT_EXECFN);

	if (!file)
		return name ? name : "";
	if (!name || !strchr(name, '/') || is_same_file(file, "/proc/self/exe"))
		return file;
	return is_script(file) ? name : file;
}

int main(int argc, char **argv)
{
	static struct launch launch;
	char **given = argc ? argv + 1 : argv;

	place_find(&launch.place, find_started(argv[0]));
	launch_read_settings(&launch);
	message_use_dialogue(launch_get(&launch, KEY_DIALOGUE));
	launch_read_machine(&launch);
	if (launch_get(&launch, KEY_BUNDLED_LOADER))
		stand_in(&launch, (size_t)argc, argv);
	if (launch_get(&launch, KEY_SCRIPT))
		run_application(&launch, (size_t)argc, given);
	run_interpreter(&launch, (size_t)argc, argv[0], given);
}
