/* SPDX-License-Identifier: MIT */
/*
 * Runs a program under a filter of system calls, as systemd's SystemCallFilter= and containers do:
 * `filter kill|ERRNO CALL[,CALL...] PROGRAM [ARGUMENT...]`, with an errno value's number.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CANNOT = 126, MAX_CALLS = 32 };

#define CALL(name) {#name, SYS_##name}

static const struct {
	const char *name;
	unsigned number;
} calls[] = {
	CALL(mount), CALL(umount2), CALL(unshare), CALL(setns), CALL(pivot_root), CALL(chroot), CALL(ptrace),
	CALL(fsopen), CALL(fsconfig), CALL(fsmount), CALL(fspick), CALL(move_mount), CALL(open_tree), CALL(mount_setattr),
	CALL(pidfd_open), CALL(pidfd_send_signal), CALL(close_range), CALL(memfd_create), CALL(renameat2), CALL(statx),
	CALL(copy_file_range), CALL(fallocate), CALL(process_vm_readv), CALL(sched_setaffinity), CALL(openat2),
	CALL(getrandom), CALL(clone3), CALL(inotify_init1), CALL(execveat), CALL(ioctl),
};

static unsigned find(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		if (!strcmp(calls[i].name, name))
			return calls[i].number;
	}
	fprintf(stderr, "filter: %s is not among its calls\n", name);
	exit(CANNOT);
}

/* seccomp(2): a program that looks at the call's number and at nothing else. */
static unsigned short compile(struct sock_filter *filter, char *names, unsigned action)
{
	unsigned short length = 0;

	filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (char *name = strtok(names, ","); name && length < 2 * MAX_CALLS; name = strtok(NULL, ",")) {
		filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, find(name), 0, 1);
		filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
	}
	filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return length;
}

int main(int argc, char **argv)
{
	static struct sock_filter filter[2 * MAX_CALLS + 2];

	if (argc < 4)
		return CANNOT;
	unsigned error = (unsigned)atoi(argv[1]);
	unsigned action = strcmp(argv[1], "kill") ? SECCOMP_RET_ERRNO | error : SECCOMP_RET_KILL_PROCESS;
	struct sock_fprog program = {compile(filter, argv[2], action), filter};
	/* As root without no_new_privs, as a unit of the system runs; others may not do without it. */
	if (geteuid() && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return CANNOT;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return CANNOT;
	execv(argv[3], argv + 3);
	return CANNOT;
}
