/*
 * tests/engines/resolver/changes_test.c - the world changes while we run.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dns.h"
#include "files.h"
#include "lookup.h"
#include "no_files.h"
#include "rig.h"
#include "test.h"

static const struct dns_record old_records[] = {
	{ "server.example", "127.0.0.7" },
	{ NULL, NULL },
};

static const struct dns_record new_records[] = {
	{ "server.example", "127.0.0.8" },
	{ NULL, NULL },
};

/* In place, with the old size and in the old second; replaced; removed. */
EVKV_TEST(resolver_changes, a_hosts_file_that_is_edited)
{
	struct bed b;

	bed_open(&b, old_records);
	dns_hosts(&b.dns, "127.0.0.2 cache\n");
	check_found(&b, "cache", "127.0.0.2:6379");
	files_write(b.dns.folder, "hosts", "127.0.0.3 cache\n");
	check_found(&b, "cache", "127.0.0.3:6379");
	dns_hosts(&b.dns, "127.0.0.4 cache\n");
	check_found(&b, "cache", "127.0.0.4:6379");
	check(unlink(b.dns.hosts) == 0);
	check_fails(&b, "cache", "does not exist");
	dns_hosts(&b.dns, "127.0.0.5 cache\n");
	check_found(&b, "cache", "127.0.0.5:6379");
	bed_close(&b);
}

/* Another name server; none; one again. */
EVKV_TEST(resolver_changes, a_resolv_conf_that_is_edited)
{
	struct dns_server other = { .records = new_records };
	struct bed b;

	bed_open(&b, old_records);
	dns_serve(&b.dns, &other, "127.0.0.2");
	check_found(&b, "server.example", "127.0.0.7:6379");
	dns_resolv(&b.dns, "nameserver 127.0.0.2\n");
	check_found(&b, "server.example", "127.0.0.8:6379");
	files_write(b.dns.folder, "resolv.conf", "nameserver 127.0.0.1\n");
	check_found(&b, "server.example", "127.0.0.7:6379");
	dns_stop(&b.server);
	dns_resolv(&b.dns, "");
	look(&b, "server.example");
	check_status(b.status, EVKV_UNAVAILABLE);
	check(unlink(b.dns.resolv) == 0);
	look(&b, "server.example");
	check_status(b.status, EVKV_UNAVAILABLE);
	dns_resolv(&b.dns, "nameserver 127.0.0.2\n");
	check_found(&b, "server.example", "127.0.0.8:6379");
	bed_close(&b);
}

/* One that began with the old files may end by them; else by the new ones. */
EVKV_TEST(resolver_changes, while_a_lookup_is_under_way)
{
	struct dns_server other = { .records = new_records };
	struct evkv_lookup *first;
	struct bed b;

	bed_open(&b, old_records);
	b.server.held = true;
	dns_serve(&b.dns, &other, "127.0.0.2");
	begin(&b, "server.example", 5000);
	first = b.lookup;
	rig_until(&b.rig, b.server.kept_count == 2);
	dns_resolv(&b.dns, "nameserver 127.0.0.2\n");
	begin(&b, "server.example", 5000);
	check(b.lookup != first);
	rig_wait(&b.rig, &b.calls);
	check_str(b.text, "127.0.0.8:6379");
	b.calls = 0;
	dns_release(&b.server);
	rig_wait(&b.rig, &b.calls);
	check_str(b.text, "127.0.0.7:6379");
	/* Nobody answers, and then there is another file. */
	dns_resolv(&b.dns, "nameserver 127.0.0.1\n");
	b.server.silent = true;
	begin(&b, "server.example", 5000);
	rig_until(&b.rig, b.server.asked >= 4);
	dns_resolv(&b.dns, "nameserver 127.0.0.2\n");
	rig_advance(&b.rig, 801);
	rig_wait(&b.rig, &b.calls);
	check_str(b.text, "127.0.0.8:6379");
	settle(&b);
	dns_resolv(&b.dns, "nameserver 127.0.0.1\n");
	begin(&b, "server.example", 5000);
	rig_until(&b.rig, b.server.asked >= 6);
	dns_hosts(&b.dns, "127.0.0.9 server.example\n");
	rig_advance(&b.rig, 801);
	rig_wait(&b.rig, &b.calls);
	check_str(b.text, "127.0.0.9:6379");
	settle(&b);
	bed_close(&b);
}

/* Nothing is remembered: neither the old address nor that there was none. */
EVKV_TEST(resolver_changes, a_name_that_moves)
{
	static const struct dns_record none[] = { { NULL, NULL } };
	struct bed b;

	bed_open(&b, none);
	check_fails(&b, "server.example", "does not exist");
	b.server.records = old_records;
	check_found(&b, "server.example", "127.0.0.7:6379");
	b.server.records = new_records;
	check_found(&b, "server.example", "127.0.0.8:6379");
	bed_close(&b);
}

/* A server that comes later: the question is asked again meanwhile. */
EVKV_TEST(resolver_changes, a_server_that_comes_later)
{
	struct bed b;

	bed_open(&b, old_records);
	b.server.silent = true;
	begin(&b, "server.example", 5000);
	rig_until(&b.rig, b.server.asked >= 2);
	b.server.silent = false;
	rig_wait(&b.rig, &b.calls);
	check_str(b.text, "127.0.0.7:6379");
	/* One whose port was closed, too. */
	dns_stop(&b.server);
	look(&b, "server.example");
	check_int(b.count, 0);
	dns_serve(&b.dns, &b.server, "127.0.0.1");
	check_found(&b, "server.example", "127.0.0.7:6379");
	bed_close(&b);
}

/*
 * At the moment of the first lookup no descriptor is free, so that resolv.conf
 * can't be read; 100 ms later a doubt has it read again.
 */
EVKV_TEST(resolver_changes, no_descriptor_at_the_wrong_moment)
{
	struct dns_server other = { .records = new_records };
	struct rlimit before, none;
	struct bed b;
	int fd;

	bed_open(&b, old_records);
	dns_serve(&b.dns, &other, "127.0.0.2");
	dns_stop(&b.server);
	dns_resolv(&b.dns, "nameserver 127.0.0.2\n");
	check(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = before;
	fd = dup(0);
	check(fd >= 0);
	(void)close(fd);
	none.rlim_cur = (rlim_t)fd;
	check(setrlimit(RLIMIT_NOFILE, &none) == 0);
	look(&b, "server.example");
	check(setrlimit(RLIMIT_NOFILE, &before) == 0);
	check_status(b.status, EVKV_UNAVAILABLE);
	rig_advance(&b.rig, 101);
	check_found(&b, "server.example", "127.0.0.8:6379");
	/* With a channel that is there, the next one works at once. */
	check(setrlimit(RLIMIT_NOFILE, &none) == 0);
	look(&b, "server.example");
	check(setrlimit(RLIMIT_NOFILE, &before) == 0);
	check_status(b.status, EVKV_UNAVAILABLE);
	check_found(&b, "server.example", "127.0.0.8:6379");
	bed_close(&b);
}

/*
 * 127.0.0.1 is asked, where the name is not known. That the lookup has failed is
 * a doubt by itself.
 */
EVKV_TEST(resolver_changes, a_file_that_could_not_be_read)
{
	static const struct dns_record none[] = { { NULL, NULL } };
	struct dns_server other = { .records = new_records };
	struct bed b;

	bed_open(&b, none);
	dns_serve(&b.dns, &other, "127.0.0.2");
	dns_resolv(&b.dns, "nameserver 127.0.0.2\n");
	no_files = true;
	look(&b, "server.example");
	no_files = false;
	check_status(b.status, EVKV_UNAVAILABLE);
	check(b.server.asked > 0);
	rig_advance(&b.rig, 101);
	check_found(&b, "server.example", "127.0.0.8:6379");
	bed_close(&b);
}

/* Without a doubt the sockets and what was read are used on. */
EVKV_TEST(resolver_changes, descriptors_are_given_back)
{
	int before, i;
	struct bed b;

	bed_open(&b, old_records);
	look(&b, "server.example");
	before = files_count("/proc/self/fd");
	for (i = 0; i < 50; i++) {
		if (i % 10 == 0)
			rig_advance(&b.rig, 200);
		evkv_resolver_doubt(b.rig.loop);
		check_found(&b, "server.example", "127.0.0.7:6379");
		check_int(files_count("/proc/self/fd"), before);
	}
	bed_close(&b);
}

/* Files of nonsense, and no server: the service's stderr stays its own. */
EVKV_TEST(resolver_changes, nothing_is_printed)
{
	static const char *const files[] = { "", "nonsense\n",
		"nameserver nowhere\nnameserver fe80::1%nowhere\n",
		("nameserver 127.0.0.3\noptions timeout:x rotate "
		 "ndots\nsearch\n"),
		"nameserver\0binary" };
	FILE *file = tmpfile();
	struct bed b;
	int ours;
	size_t i;

	check(file != NULL);
	bed_open(&b, old_records);
	dns_stop(&b.server);
	ours = dup(STDERR_FILENO);
	check(ours >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		dns_resolv(&b.dns, files[i]);
		dns_hosts(&b.dns, files[i]);
		begin(&b, "server.example", 500);
		rig_until(&b.rig, b.calls > 0 || b.lookup == NULL);
	}
	check(dup2(ours, STDERR_FILENO) >= 0);
	(void)close(ours);
	check(fseek(file, 0, SEEK_END) == 0);
	check_int(ftell(file), 0);
	check(fclose(file) == 0);
	bed_close(&b);
}
