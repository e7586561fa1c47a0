# A cache over redis against ones written by hand, on a server of the bench's own.
if(TARGET evkv::redis)
	evkv_add_bench(cache
		SOURCES
			cache_bench.c
			${PROJECT_SOURCE_DIR}/tests/lib/certificates.c
			${PROJECT_SOURCE_DIR}/tests/lib/child.c
			${PROJECT_SOURCE_DIR}/tests/lib/server.c
			${PROJECT_SOURCE_DIR}/tests/lib/server_memcached.c
		LIBS evkv::redis PkgConfig::evkv_hiredis PkgConfig::evkv_openssl)
	target_include_directories(bench-cache PRIVATE
		${PROJECT_SOURCE_DIR}/tests/lib)
endif()
