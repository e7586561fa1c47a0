/*
 * engines/net/transport.c - what plain sockets and TLS have in common.
 */
#include "engines/net/transport.h"

#include <stdarg.h>
#include <stdio.h>

void evkv__net_init(struct transport *net)
{
	net->fd = -1;
}

void evkv__net_close(struct transport *net)
{
	evkv__net_tls_close(net);
	evkv__net_socket_close(net);
}

void evkv__net_fail(struct transport *net, enum evkv_cause cause, int sys_error,
    const char *format, ...)
{
	struct net_failure *failure = &net->failure;
	va_list args;

	failure->status = EVKV_UNAVAILABLE;
	failure->cause = cause;
	failure->sys_error = sys_error;
	failure->denied = false;
	va_start(args, format);
	(void)vsnprintf(failure->words, sizeof(failure->words), format, args);
	va_end(args);
}

void evkv__net_no_memory(struct transport *net)
{
	evkv__net_fail(net, EVKV_CAUSE_NOMEM, 0, "out of memory");
	net->failure.status = EVKV_NOMEM;
}

ssize_t evkv__net_read(struct transport *net, char *data, size_t size)
{
	return net->ssl != NULL ? evkv__net_tls_read(net, data, size)
				: evkv__net_socket_read(net, data, size);
}

/*
 * TLS takes a record's worth of the first range at a time. With more than was
 * offered before, OpenSSL would begin another record when that one is out, and
 * tell nothing of it where that one waits.
 */
ssize_t evkv__net_write(struct transport *net, struct iovec *ranges,
    size_t count, size_t *offered)
{
	size_t i;

	*offered = 0;
	if (net->ssl == NULL) {
		for (i = 0; i < count; i++)
			*offered += ranges[i].iov_len;
		return evkv__net_socket_write(net, ranges, count);
	}
	*offered = ranges[0].iov_len;
	if (*offered > SSL3_RT_MAX_PLAIN_LENGTH)
		*offered = SSL3_RT_MAX_PLAIN_LENGTH;
	if (net->offered > 0)
		*offered = net->offered;
	return evkv__net_tls_write(net, ranges[0].iov_base, *offered);
}
