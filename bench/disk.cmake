# The disk store against raw LMDB.
if(TARGET evkv::disk)
	evkv_add_bench(disk SOURCES disk_bench.c
		LIBS evkv::disk PkgConfig::evkv_lmdb)
endif()
