# Foreign libraries. Each is found by pkg-config under its module name and
# gives the target PkgConfig::evkv_<module>; evkvConfig.cmake does the same.

find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

pkg_check_modules(evkv_libevent_core REQUIRED IMPORTED_TARGET
	libevent_core>=2.1.8)

# XXH3 gives what it always will since 0.8.0.
pkg_check_modules(evkv_libxxhash QUIET IMPORTED_TARGET libxxhash>=0.8.0)

# What the HTTP engine sets is there since 7.87.
pkg_check_modules(evkv_libcurl QUIET IMPORTED_TARGET libcurl>=7.87.0)

# What scripts/man calls.
set(EVKV_MAN_TOOLS ${EVKV_BUILD_MAN})
foreach(tool doxygen lowdown python3)
	find_program(EVKV_TOOL_${tool} ${tool})
	mark_as_advanced(EVKV_TOOL_${tool})
	if(EVKV_MAN_TOOLS AND NOT EVKV_TOOL_${tool})
		if(NOT EVKV_BUILD_MAN STREQUAL AUTO)
			message(FATAL_ERROR
				"EVKV_BUILD_MAN is on, but ${tool} is missing")
		endif()
		set(EVKV_MAN_TOOLS OFF)
	endif()
endforeach()

foreach(module libcares openssl zlib hiredis libmemcached lmdb libmongoc-1.0
		libzstd libsodium)
	pkg_check_modules(evkv_${module} QUIET IMPORTED_TARGET ${module})
endforeach()
