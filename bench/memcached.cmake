# The memcached driver against libmemcached, on a server of the bench's own.
if(TARGET evkv::memcached)
	evkv_add_bench(memcached
		SOURCES
			memcached_bench.c
			${PROJECT_SOURCE_DIR}/tests/lib/certificates.c
			${PROJECT_SOURCE_DIR}/tests/lib/child.c
			${PROJECT_SOURCE_DIR}/tests/lib/server.c
			${PROJECT_SOURCE_DIR}/tests/lib/server_memcached.c
		LIBS evkv::memcached PkgConfig::evkv_libmemcached
			PkgConfig::evkv_openssl)
	target_include_directories(bench-memcached PRIVATE
		${PROJECT_SOURCE_DIR}/tests/lib)
endif()
