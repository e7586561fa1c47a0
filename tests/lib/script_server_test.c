/* tests/lib/script_server.h with a server that takes a second to start. */
#include "lib/script_server.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "lib/test.h"

EVKV_TEST(script_server, lives_as_it_is_told_to)
{
	struct script_server server;
	pid_t pid;
	int port;

	script_server_start(&server,
	    &(struct script_server_options){
		.script = "mongodb", .kind = "java" });
	pid = server.pid;
	port = server.port;
	check(pid > 0 && kill(pid, 0) == 0);
	script_server_kill(&server);
	check(kill(pid, 0) < 0 && errno == ESRCH);
	check(script_server_restart(&server));
	check_int(server.port, port);
	script_server_stop(&server);
	check_int(server.pid, 0);
	check(access(server.folder, F_OK) < 0);
}

EVKV_TEST(script_server, says_what_is_wrong)
{
	struct script_server server;

	check(!script_server_try(&server,
	    &(struct script_server_options){
		.script = "mongodb", .kind = "nosuch" }));
	check(!server.lacking);
	check_contains(server.problem, "java or ferretdb?");
	check(access(server.folder, F_OK) < 0);
}
