# The log against raw LMDB and, where it is installed, RocksDB.
if(TARGET evkv::log AND TARGET PkgConfig::evkv_lmdb)
	evkv_add_bench(log SOURCES log_bench.c
		LIBS evkv::log PkgConfig::evkv_lmdb)
	pkg_check_modules(evkv_rocksdb QUIET IMPORTED_TARGET rocksdb)
	if(TARGET PkgConfig::evkv_rocksdb)
		target_link_libraries(bench-log PRIVATE PkgConfig::evkv_rocksdb)
		target_compile_definitions(bench-log PRIVATE HAVE_ROCKSDB)
	endif()
endif()
