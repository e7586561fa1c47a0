/*
 * The version of the library that is running.
 */
#include "evkv/export.h"

const char *evkv_version(void)
{
	return EVKV_VERSION;
}

unsigned evkv_version_num(void)
{
	return EVKV_VERSION_NUM;
}
