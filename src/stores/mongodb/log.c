/*
 * stores/mongodb/log.c - libmongoc's log goes to evkv's.
 *
 * libmongoc has one log for the process, and threads of its own that write to
 * it. What it says goes to the loop of the oldest store there is, a few lines
 * at a time: what comes faster is counted. Nothing goes to stderr.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "stores/mongodb/log.h"
#include "stores/mongodb/worker.h"

#define LINES 16

struct mongodb_log {
	struct mongodb_log *next;
	struct evkv_loop *loop;
	const char
	    *secrets[2]; /* the server's; live as long as this is listed */
	struct evkv_task *ended; /* to be queued when it has ended */
	struct evkv_post post;
	/* Under the mutex. */
	bool posted;
	bool ending;
	size_t count, lost;
	struct log_line {
		enum evkv_log_level level;
		char text[MONGODB_MESSAGE];
	} lines[LINES];
};

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct mongodb_log *log_first;

static enum evkv_log_level log_level(mongoc_log_level_t level)
{
	switch (level) {
	case MONGOC_LOG_LEVEL_ERROR:
	case MONGOC_LOG_LEVEL_CRITICAL: return EVKV_LOG_ERROR;
	case MONGOC_LOG_LEVEL_WARNING: return EVKV_LOG_WARNING;
	default: return EVKV_LOG_DEBUG;
	}
}

/* On any thread. */
static void log_take(mongoc_log_level_t level, const char *domain,
    const char *message, void *arg)
{
	struct mongodb_log *log, *other;
	struct log_line *line;

	(void)arg;
	if (level > MONGOC_LOG_LEVEL_DEBUG)
		return;
	pthread_mutex_lock(&log_mutex);
	log = log_first;
	if (log != NULL && log->count == LINES) {
		log->lost++;
	} else if (log != NULL) {
		line = &log->lines[log->count++];
		line->level = log_level(level);
		snprintf(line->text, sizeof(line->text), "%.40s: %.200s",
		    domain, message);
		for (other = log_first; other != NULL; other = other->next) {
			evkv__mongodb_scrub(line->text, other->secrets[0]);
			evkv__mongodb_scrub(line->text, other->secrets[1]);
		}
		if (!log->posted)
			evkv_loop_post_owned(log->loop, &log->post);
		log->posted = true;
	}
	pthread_mutex_unlock(&log_mutex);
}

/* On the loop's thread. */
static void log_deliver(void *arg)
{
	struct mongodb_log *log = arg;
	struct log_line lines[LINES];
	size_t count, lost, i;
	bool ending;

	pthread_mutex_lock(&log_mutex);
	count = log->count;
	lost = log->lost;
	memcpy(lines, log->lines, count * sizeof(*lines));
	log->count = log->lost = 0;
	log->posted = false;
	ending = log->ending;
	pthread_mutex_unlock(&log_mutex);
	for (i = 0; i < count; i++)
		evkv_loop_log(log->loop, lines[i].level, "mongodb: %s",
		    lines[i].text);
	if (lost > 0)
		evkv_loop_log(log->loop, EVKV_LOG_WARNING,
		    "mongodb: %zu more lines of libmongoc's log", lost);
	if (ending)
		evkv_task_queue(log->loop, log->ended);
}

void evkv__mongodb_log_redirect(void)
{
	mongoc_log_set_handler(log_take, NULL);
}

struct mongodb_log *evkv__mongodb_log_begin(struct evkv_loop *loop,
    const char *secret, const char *plain_secret, struct evkv_task *ended)
{
	struct mongodb_log *log = evkv_calloc(1, sizeof(*log)), **link;

	if (log == NULL)
		return NULL;
	log->loop = loop;
	log->secrets[0] = secret;
	log->secrets[1] = plain_secret;
	log->ended = ended;
	log->post = (struct evkv_post){ .run = log_deliver, .arg = log };
	pthread_mutex_lock(&log_mutex);
	for (link = &log_first; *link != NULL; link = &(*link)->next)
		;
	*link = log;
	pthread_mutex_unlock(&log_mutex);
	return log;
}

bool evkv__mongodb_log_end(struct mongodb_log *log)
{
	struct mongodb_log **link;
	bool posted;

	pthread_mutex_lock(&log_mutex);
	for (link = &log_first; *link != NULL && *link != log;
	     link = &(*link)->next)
		;
	if (*link == log)
		*link = log->next;
	log->ending = true;
	posted = log->posted;
	pthread_mutex_unlock(&log_mutex);
	return !posted;
}

void evkv__mongodb_log_free(struct mongodb_log *log)
{
	evkv_free(log);
}
