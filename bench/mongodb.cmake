# The mongodb driver against libmongoc by hand, on a scripted server.
if(TARGET evkv::mongodb)
	evkv_add_bench(mongodb
		SOURCES
			mongodb_bench.c
			mongodb_peer.c
			${PROJECT_SOURCE_DIR}/tests/lib/opmsg.c
		LIBS evkv::mongodb PkgConfig::evkv_libmongoc-1.0)
	target_include_directories(bench-mongodb PRIVATE
		${PROJECT_SOURCE_DIR}/tests/lib)
endif()
