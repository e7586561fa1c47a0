/*
 * Several processes on one file, and one that is killed.
 */
#include "beside.h"
#include "json_kit.h"

static const char *json_url(const struct kit *kit)
{
	static char url[300];

	snprintf(url, sizeof(url), "jsonfile:%s", kit->path);
	return url;
}

EVKV_TEST(jsonfile_beside, processes_share_a_file)
{
	struct kit kit;

	kit_begin_real(&kit, "settings.json", json_make);
	beside_share(&kit, WRITER, json_url(&kit));
	kit_end(&kit);
}

EVKV_TEST(jsonfile_beside, what_was_acknowledged_survives_a_kill)
{
	struct kit kit;

	kit_begin_real(&kit, "settings.json", json_make);
	beside_crash(&kit, WRITER, json_url(&kit), 40);
	kit_end(&kit);
}
