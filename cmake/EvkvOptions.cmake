# What may be chosen at configure time.

set(evkv_is_top OFF)
if(PROJECT_IS_TOP_LEVEL)
	set(evkv_is_top ON)
	if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
		set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
	endif()
endif()

option(EVKV_BUILD_TESTS "Build the tests (needs criterion)" ${evkv_is_top})
option(EVKV_BUILD_EXAMPLES "Build the examples" ${evkv_is_top})
option(EVKV_BUILD_BENCH "Build the benchmarks" OFF)
option(EVKV_INSTALL "Make the install and package targets" ${evkv_is_top})
option(EVKV_WERROR "Make compiler warnings errors" OFF)
option(EVKV_COVERAGE "Count which lines run" OFF)
set(EVKV_SANITIZE "" CACHE STRING
	"Sanitizers, as for -fsanitize=: address,undefined or thread")
set(EVKV_BUILD_MAN AUTO CACHE STRING
	"Write the manual pages (needs doxygen, lowdown, python3): AUTO, ON or OFF")
option(EVKV_BUILD_FUZZERS "Build the fuzz targets (needs clang)" OFF)

# A part with dependencies of its own: AUTO builds it where they are found, ON
# makes it an error where they are not.
foreach(part ELASTICSEARCH
		RESOLVER PIPELINE HTTP REDIS MEMCACHED EXECUTOR DISK CONFORMANCE
		COMPRESSION ENCRYPTION FILETREE JSONFILE LOG
		MONGODB)
	set(EVKV_WITH_${part} AUTO CACHE STRING
		"Build the ${part} library: AUTO, ON or OFF")
	set_property(CACHE EVKV_WITH_${part} PROPERTY STRINGS AUTO ON OFF)
endforeach()
