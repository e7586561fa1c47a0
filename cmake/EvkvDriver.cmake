# evkv_add_driver(<short> SOURCES ... [USES ...] [MODULES ...])
#
# A library of ours that is built where its dependencies are there, as
# EVKV_WITH_<SHORT> (AUTO, ON, OFF) says. Makes libevkv-<short> and the alias
# evkv::<short>; test whether it is there with if(TARGET evkv::<short>). What
# was decided, and why, is told in the configure summary.
#
#   evkv_add_driver(redis
#       SOURCES redis.c redis_reply.c
#       USES evkv::pipeline
#       MODULES hiredis)

set_property(GLOBAL PROPERTY EVKV_DRIVER_LINES "")

function(evkv_driver_line short text)
	string(LENGTH ${short} length)
	math(EXPR pad "14 - ${length}")
	string(REPEAT " " ${pad} blanks)
	set_property(GLOBAL APPEND PROPERTY EVKV_DRIVER_LINES
		"${short}${blanks} ${text}")
endfunction()

function(evkv_add_driver short)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" ""
		"SOURCES;USES;MODULES")
	string(TOUPPER ${short} upper)
	set(with ${EVKV_WITH_${upper}})

	if(NOT with STREQUAL AUTO AND NOT with)
		evkv_driver_line(${short} "no: EVKV_WITH_${upper} is ${with}")
		return()
	endif()

	set(missing "")
	foreach(module IN LISTS arg_MODULES)
		if(NOT TARGET PkgConfig::evkv_${module})
			list(APPEND missing ${module})
		endif()
	endforeach()
	foreach(used IN LISTS arg_USES)
		if(NOT TARGET ${used})
			list(APPEND missing ${used})
		endif()
	endforeach()
	if(missing)
		list(JOIN missing ", " missing)
		if(NOT with STREQUAL AUTO)
			message(FATAL_ERROR "EVKV_WITH_${upper} is ${with}, "
				"but this is missing: ${missing}")
		endif()
		evkv_driver_line(${short} "no: missing ${missing}")
		return()
	endif()

	evkv_add_library(evkv-${short}
		SOURCES ${arg_SOURCES}
		USES evkv::evkv ${arg_USES}
		MODULES libevent_core ${arg_MODULES})
	set(found "")
	foreach(module IN LISTS arg_MODULES)
		list(APPEND found "${module} ${evkv_${module}_VERSION}")
	endforeach()
	list(JOIN found ", " found)
	if(found)
		evkv_driver_line(${short} "yes: ${found}")
	else()
		evkv_driver_line(${short} "yes")
	endif()
endfunction()
