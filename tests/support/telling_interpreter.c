/* SPDX-License-Identifier: MIT */
/* Tells how it was started: its process and its name, its file, the number of its arguments, these, and its environment. */
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

extern char **environ;

static void tell(const char *text)
{
	fputs(text, stdout);
	putchar(0);
}

int main(int argc, char **argv)
{
	char number[24], name[16], program[4096];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

	snprintf(number, sizeof(number), "%d", (int)getpid());
	tell(number);
	prctl(PR_GET_NAME, name);
	tell(name);
	program[length > 0 ? length : 0] = 0;
	tell(program);
	snprintf(number, sizeof(number), "%d", argc);
	tell(number);
	for (int i = 0; i < argc; i++)
		tell(argv[i]);
	for (char **variable = environ; *variable; variable++)
		tell(*variable);
	return 0;
}
