# The elasticsearch driver against libcurl by hand, on a scripted server and on a
# node of the bench's own.
if(TARGET evkv::elasticsearch)
	evkv_add_bench(elasticsearch
		SOURCES
			elasticsearch_bench.c
			elasticsearch_peer.c
			elasticsearch_raw.c
			${PROJECT_SOURCE_DIR}/tests/lib/child.c
		LIBS evkv::elasticsearch PkgConfig::evkv_libcurl)
	target_include_directories(bench-elasticsearch PRIVATE
		${PROJECT_SOURCE_DIR}/tests/lib)
	target_compile_definitions(bench-elasticsearch PRIVATE
		NODE_SCRIPT="${PROJECT_SOURCE_DIR}/scripts/servers/elasticsearch")
endif()
