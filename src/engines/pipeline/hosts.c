/*
 * engines/pipeline/hosts.c - names in the text of /etc/hosts.
 *
 * Each line is an address and its names; `#` begins a remark. evdns reads the
 * file too, but gives what is in it only by a call that can't be taken back
 * without a trace.
 */
#include "engines/pipeline/pipeline.h"

#include <strings.h>

#define NAME_MAX_SIZE 256

/* The next word of a line into `word`; false at its end. Too long is cut. */
static bool hosts_next_word(const char **at, const char *end, char *word)
{
	size_t size = 0;

	while (*at < end && (**at == ' ' || **at == '\t' || **at == '\r'))
		(*at)++;
	while (*at < end && **at != ' ' && **at != '\t' && **at != '\r' &&
	    **at != '#') {
		if (size < NAME_MAX_SIZE - 1)
			word[size++] = **at;
		(*at)++;
	}
	word[size] = '\0';
	return size > 0;
}

static bool hosts_line_names(const char *at, const char *end, const char *name)
{
	char word[NAME_MAX_SIZE];

	while (hosts_next_word(&at, end, word)) {
		if (strcasecmp(word, name) == 0)
			return true;
	}
	return false;
}

size_t evkv__pipe_hosts_find(struct evkv_slice text, const char *name, int port,
    struct address *addresses)
{
	const char *at = text.data, *stop, *end;
	char word[NAME_MAX_SIZE];
	size_t count = 0;

	if (text.size == 0)
		return 0;
	stop = at + text.size;
	for (; at < stop && count < PIPELINE_ADDRESSES; at = end + 1) {
		end = memchr(at, '\n', (size_t)(stop - at));
		if (end == NULL)
			end = stop;
		if (hosts_next_word(&at, end, word) &&
		    hosts_line_names(at, end, name) &&
		    evkv__pipe_literal_address(word, port, &addresses[count]))
			count++;
	}
	return count;
}
