/* SPDX-License-Identifier: MIT */
/*
 * Runs reader, cache, server, prefetcher and extraction under a sanitizer, in one process: fake_kernel IMAGE DIRECTORY.
 *
 * A pair of sockets stands for /dev/fuse.  Several threads walk through the image at once and read all files while they
 * are prefetched, whose bytes they know: test_runtime_sources.py makes them.  Then the image is extracted to the
 * directory, and many times more where no thread can write its files.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "extract.h"
#include "fuse_server.h"
#include "process.h"

enum { CLIENTS = 4, ROUNDS = 3, FAILURES = 100, ANSWER = 2 * FUSE_READ_LIMIT, LISTING = 4096, PLACE_BITS = 8 };

struct client {
	pthread_t thread;
	uint64_t unique;
	sem_t answered;
	int error;
	size_t size;
	uint8_t answer[ANSWER];
};

static struct client clients[CLIENTS];
static struct fuse_server server;
enum { FRONT_END = 1 << 16 }; /* in the image */
static struct prefetch_plan plan = {.ranges = {{0, FRONT_END}, {FRONT_END, UINT64_MAX}}, .directory = ".prefetch0"};
static int device, kernel;
static sem_t gone;
static atomic_uint stored;

/* In the place of writev(2): the kernel has room for every answer, a socket has not. */
ssize_t patient_writev(int file, const struct iovec *parts, int count)
{
	struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
	struct pollfd room = {.fd = file, .events = POLLOUT};
	ssize_t sent;

	while ((sent = sendmsg(file, &message, MSG_NOSIGNAL)) < 0 && errno == EAGAIN)
		poll(&room, 1, -1);
	return sent;
}

static _Noreturn void die_with(const char *what)
{
	fprintf(stderr, "fake_kernel: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void leave(void)
{
	sem_post(&gone);
	for (;;)
		pause();
}

static void *serve(void *nothing)
{
	fuse_server_run(&server, device, false);
	return nothing;
}

static void *fetch(void *nothing)
{
	prefetch_run(server.prefetch);
	return nothing;
}

/* Brings each answer to the client that waits for it. */
static void *deliver(void *nothing)
{
	static uint8_t answer[ANSWER];
	const struct fuse_out_header *header = (const void *)answer;
	ssize_t size;

	while ((size = recv(kernel, answer, sizeof(answer), 0)) > 0) {
		if (!header->unique) {
			stored++;
			continue;
		}
		struct client *client = &clients[header->unique & ((1 << PLACE_BITS) - 1)];
		client->error = header->error;
		client->size = (size_t)size - sizeof(*header);
		memcpy(client->answer, answer + sizeof(*header), client->size);
		sem_post(&client->answered);
	}
	return nothing;
}

static int ask(struct client *client, uint32_t opcode, uint64_t node, const void *body, size_t size)
{
	uint64_t place = (uint64_t)(client - clients);
	struct fuse_in_header header = {.len = (uint32_t)(sizeof(header) + size), .opcode = opcode, .nodeid = node};
	struct iovec parts[] = {{&header, sizeof(header)}, {(void *)body, size}};

	header.unique = ++client->unique << PLACE_BITS | place;
	if (writev(kernel, parts, 2) < 0)
		die_with("no request can be sent");
	while (sem_wait(&client->answered))
		continue;
	return client->error;
}

static void demand(bool condition, const char *what)
{
	if (!condition)
		die_with(what);
}

static void read_file(struct client *client, uint64_t node, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += client->size) {
		struct fuse_read_in in = {.offset = at, .size = FUSE_READ_LIMIT};
		demand(!ask(client, FUSE_READ, node, &in, sizeof(in)) && client->size, "a file cannot be read");
		for (size_t i = 0; i < client->size; i++)
			demand(client->answer[i] == (uint8_t)((at + i) * size >> PLACE_BITS), "a file has other bytes");
	}
}

static void walk(struct client *client, uint64_t directory);

static void visit(struct client *client, uint64_t directory, const char *name, size_t length)
{
	char text[NAME_LIMIT + 1] = "";

	memcpy(text, name, length);
	demand(!ask(client, FUSE_LOOKUP, directory, text, length + 1), "a name is not found");
	struct fuse_entry_out entry;
	memcpy(&entry, client->answer, sizeof(entry));
	if ((entry.attr.mode & S_IFMT) == S_IFDIR)
		walk(client, entry.nodeid);
	else if ((entry.attr.mode & S_IFMT) == S_IFREG)
		read_file(client, entry.nodeid, entry.attr.size);
	else
		demand(!ask(client, FUSE_READLINK, entry.nodeid, NULL, 0), "a link cannot be read");
}

static void walk(struct client *client, uint64_t directory)
{
	struct fuse_read_in in = {.size = LISTING};

	for (;;) {
		uint8_t listing[LISTING];
		demand(!ask(client, FUSE_READDIRPLUS, directory, &in, sizeof(in)), "a directory cannot be listed");
		size_t size = client->size;
		if (!size)
			return;
		memcpy(listing, client->answer, size);
		for (size_t at = 0; at < size;) {
			const struct fuse_direntplus *entry = (const void *)(listing + at);
			if (entry->dirent.name[0] != '.')
				visit(client, directory, entry->dirent.name, entry->dirent.namelen);
			in.offset = entry->dirent.off;
			at += FUSE_DIRENTPLUS_SIZE(entry);
		}
	}
}

/* What the first process and the unmounter do. */
static void list_prefetched(struct client *client)
{
	struct fuse_read_in in = {.size = LISTING};

	if (ask(client, FUSE_LOOKUP, FUSE_ROOT_ID, plan.directory, strlen(plan.directory) + 1))
		return;
	struct fuse_entry_out directory;
	memcpy(&directory, client->answer, sizeof(directory));
	while (!ask(client, FUSE_READDIRPLUS, directory.nodeid, &in, sizeof(in)) && client->size) {
		for (size_t at = 0; at < client->size;) {
			const struct fuse_direntplus *entry = (const void *)(client->answer + at);
			in.offset = entry->dirent.off;
			at += FUSE_DIRENTPLUS_SIZE(entry);
		}
	}
}

static void *use(void *this)
{
	struct client *client = this;

	if (client == clients)
		list_prefetched(client);
	for (int round = 0; round < ROUNDS; round++)
		walk(client, FUSE_ROOT_ID);
	return NULL;
}

static void run_server(int image)
{
	struct fuse_init_in in = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION};
	pthread_t prefetcher, deliverer;
	int sockets[2];

	server.workers = (struct fuse_workers){.gone = leave, .processors = 3, .max_threads = CLIENTS};
	demand(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) && !prefetch_connect(&plan), "no sockets");
	device = sockets[0];
	kernel = sockets[1];
	demand(!fuse_server_open(&server, image, 0, &plan), "the image cannot be opened");
	demand(process_start_thread(serve, NULL, NULL), "no thread");
	pthread_create(&deliverer, NULL, deliver, NULL);
	pthread_create(&prefetcher, NULL, fetch, NULL);
	demand(!ask(clients, FUSE_INIT, 0, &in, sizeof(in)), "no agreement on the protocol");
	for (int i = 0; i < CLIENTS; i++)
		pthread_create(&clients[i].thread, NULL, use, &clients[i]);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i].thread, NULL);
	pthread_join(prefetcher, NULL);
	shutdown(kernel, SHUT_RDWR);
	pthread_join(deliverer, NULL);
	while (sem_wait(&gone))
		continue;
}

static void run_extraction(const char *directory)
{
	static struct extraction extraction;
	struct rlimit small = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};

	extraction = (struct extraction){.fs = &server.fs, .root = open(directory, O_RDONLY | O_DIRECTORY)};
	demand(extraction.root >= 0 && !extract(&extraction), "the image cannot be extracted");
	setrlimit(RLIMIT_FSIZE, &small);
	for (int round = 0; round < FAILURES; round++)
		demand(extract(&extraction) == -EFBIG && extraction.failed[0], "files are written that may not be");
}

int main(int argc, char **argv)
{
	demand(argc == 3, "usage: fake_kernel IMAGE DIRECTORY");
	for (int i = 0; i < CLIENTS; i++)
		sem_init(&clients[i].answered, 0, 0);
	sem_init(&gone, 0, 0);
	run_server(open(argv[1], O_RDONLY));
	printf("%u pieces prefetched\n", stored);
	fflush(stdout); /* before nothing can be written to files any more */
	run_extraction(argv[2]);
	_exit(0);
}
