/*
 * Several processes on one tree, and one that is killed.
 */
#include "beside.h"
#include "tree_kit.h"

static const char *tree_url(const struct kit *kit)
{
	static char url[300];

	snprintf(url, sizeof(url), "file:%s", kit->path);
	return url;
}

EVKV_TEST(filetree_beside, processes_share_a_tree)
{
	struct kit kit;

	kit_begin_real(&kit, "tree", tree_make);
	beside_share(&kit, WRITER, tree_url(&kit));
	kit_end(&kit);
}

EVKV_TEST(filetree_beside, what_was_acknowledged_survives_a_kill)
{
	struct kit kit;

	kit_begin_real(&kit, "tree", tree_make);
	beside_crash(&kit, WRITER, tree_url(&kit), 40);
	kit_end(&kit);
}
