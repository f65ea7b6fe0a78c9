/* SPDX-License-Identifier: MIT */
#include "fuse_workers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>

#include "monotonic.h"
#include "process.h"

enum {
	STARTUP_NS = NS_PER_S,                /* from the mount on */
	SPIN_NS = 3 * NS_PER_MS,              /* an application that starts asks more often */
	CONTENDED_YIELD_NS = 100 * NS_PER_US, /* so long a yield has let others run, who want to go on */
	CONTENDED_PAUSE_NS = 10 * NS_PER_MS,  /* without spinning after that */
};

static void *work(void *worker);

static struct fuse_worker *make_worker(struct fuse_workers *workers)
{
	struct fuse_worker *worker = calloc(1, sizeof(*worker));

	if (worker) {
		worker->workers = workers;
		worker->memo.reference = UINT64_MAX;
		worker->is_split = workers->split->exists;
	}
	return worker;
}

/* Called with the lock held.  Where memory is short, those that are there do all the work. */
static void start_worker(struct fuse_workers *workers)
{
	struct fuse_worker *worker = workers->threads < workers->max_threads ? make_worker(workers) : NULL;

	if (worker && process_start_thread(work, worker, NULL))
		workers->threads++;
	else
		free(worker);
}

static void become_listener(struct fuse_worker *worker)
{
	struct fuse_workers *workers = worker->workers;

	pthread_mutex_lock(&workers->lock);
	workers->idle++;
	while (workers->starting && workers->has_listener)
		pthread_cond_wait(&workers->vacant, &workers->lock);
	workers->idle--;
	workers->has_listener = worker->listens = workers->starting;
	pthread_mutex_unlock(&workers->lock);
}

void fuse_worker_stop_listening(struct fuse_worker *worker)
{
	struct fuse_workers *workers = worker->workers;

	if (!worker->listens)
		return;
	worker->listens = false;
	pthread_mutex_lock(&workers->lock);
	workers->has_listener = false;
	if (workers->idle)
		pthread_cond_signal(&workers->vacant);
	else
		start_worker(workers);
	pthread_mutex_unlock(&workers->lock);
}

/* From now on, reading waits, and every thread may. */
static void end_startup(struct fuse_worker *worker)
{
	struct fuse_workers *workers = worker->workers;

	fcntl(workers->device, F_SETFL, O_RDWR);
	pthread_mutex_lock(&workers->lock);
	workers->starting = workers->has_listener = worker->listens = false;
	pthread_cond_broadcast(&workers->vacant);
	for (unsigned i = workers->threads; i < workers->max_threads; i++)
		start_worker(workers);
	pthread_mutex_unlock(&workers->lock);
}

/* A processor each for the application and for what is prefetched. */
static bool may_spin(const struct fuse_workers *workers, uint64_t now)
{
	return now - workers->contended_ns > CONTENDED_PAUSE_NS &&
	       workers->processors > 1u + !prefetch_is_done(workers->prefetch);
}

/* While there is no request. */
static void wait_for_request(struct fuse_worker *worker)
{
	struct fuse_workers *workers = worker->workers;
	uint64_t now = monotonic_ns();

	if (now >= workers->startup_end_ns) {
		end_startup(worker);
	} else if (now - worker->answered_ns < SPIN_NS && may_spin(workers, now)) {
		sched_yield();
		uint64_t then = monotonic_ns();
		if (then - now > CONTENDED_YIELD_NS)
			workers->contended_ns = then;
	} else {
		struct pollfd wanted = {.fd = workers->device, .events = POLLIN};
		poll(&wanted, 1, (int)((workers->startup_end_ns - now) / NS_PER_MS) + 1);
	}
}

static int receive(struct fuse_worker *worker, struct fuse_request *request)
{
	struct fuse_workers *workers = worker->workers;
	int error;

	if (!worker->listens)
		become_listener(worker);
	if (worker->is_split && prefetch_is_done(workers->prefetch)) {
		cpu_split_set_affinity(workers->split, &workers->split->all);
		worker->is_split = false;
	}
	while ((error = fuse_receive(workers->device, worker->input, request)) == -EAGAIN)
		wait_for_request(worker);
	return error;
}

static void *work(void *this)
{
	struct fuse_worker *worker = this;
	struct fuse_workers *workers = worker->workers;

	for (;;) {
		struct fuse_request request;
		int error = receive(worker, &request);
		if (error == -EINTR || error == -ENOENT)
			continue;
		if (error)
			break;
		workers->handle(workers->server, worker, &request);
		if (worker->listens)
			worker->answered_ns = monotonic_ns();
	}
	workers->gone();
	return NULL;
}

int fuse_workers_open(struct fuse_workers *workers)
{
	workers->starting = true;
	workers->threads = 1;
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->vacant, NULL);
	workers->first = make_worker(workers);
	return workers->first ? 0 : -ENOMEM;
}

void fuse_workers_run(struct fuse_workers *workers, int device)
{
	workers->device = device;
	workers->startup_end_ns = monotonic_ns() + STARTUP_NS;
	fcntl(device, F_SETFL, O_RDWR | O_NONBLOCK);
	work(workers->first);
}
