// A stranger's program in C++17.
#include <cstdio>

#include <event2/event.h>

#include <evkv/driver.h>
#include <evkv/evkv.h>

int main()
{
	event_base *base = event_base_new();
	evkv_loop *loop = evkv_loop_new(base);
	evkv_error error = EVKV_ERROR_INIT;
	evkv_store *store = evkv_open(loop, "memory:", &error);
	int answers = 0;

	evkv_put(store, evkv_str("users"), EVKV_LIT("1"), EVKV_LIT("Ada"), 0,
	    nullptr, nullptr);
	evkv_get(store, evkv_str("users"), EVKV_LIT("1"),
	    [](const evkv_result *result, void *arg) {
		    if (result->status == EVKV_OK)
			    ++*static_cast<int *>(arg);
	    }, &answers);
	event_base_dispatch(base);
	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	std::printf("C++: %d of 1 answers\n", answers);
	return answers == 1 ? 0 : 1;
}
