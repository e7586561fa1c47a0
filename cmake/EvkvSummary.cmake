# What was configured, and every driver with the reason why not.

message(STATUS "evkv ${PROJECT_VERSION}, ${CMAKE_BUILD_TYPE} build "
	"with ${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}")
message(STATUS "  core         yes: libevent_core "
	"${evkv_libevent_core_VERSION}")
get_property(lines GLOBAL PROPERTY EVKV_DRIVER_LINES)
foreach(line IN LISTS lines)
	message(STATUS "  ${line}")
endforeach()
foreach(part TESTS EXAMPLES BENCH FUZZERS)
	string(TOLOWER ${part} name)
	if(EVKV_BUILD_${part})
		list(APPEND evkv_parts ${name})
	endif()
endforeach()
if(NOT evkv_parts)
	set(evkv_parts nothing)
endif()
list(JOIN evkv_parts ", " evkv_parts)
message(STATUS "  also: ${evkv_parts}")
if(EVKV_SANITIZE)
	message(STATUS "  sanitizers: ${EVKV_SANITIZE}")
endif()
