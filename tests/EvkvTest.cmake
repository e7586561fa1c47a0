# evkv_add_test(NAME <group>.<what> SOURCES ... [LIBS ...] [LABELS ...]
#     [TIMEOUT <s>] [ARGS ...] [VALGRIND] [VALGRIND_LONG] [SERIAL]
#     [BUILD_ONLY])
#
# A program <name> with both runners: Criterion's and, with --plain, one that
# runs everything in its own process (lib/main.c). In ctest <name> is run by
# Criterion in ordinary builds, and plain under a sanitizer, for coverage and
# where Criterion is not installed; valgrind.<name> is the plain one.
#
# LIBS are libraries of ours beyond evkv::evkv. VALGRIND is for the tests that
# run under valgrind in every run, VALGRIND_LONG for those that do so in
# `make test-long`; in the valgrind preset all do. SERIAL is for those that
# can't share the machine; BUILD_ONLY leaves add_test() to the caller. TIMEOUT is
# in seconds, 120 if not given.
#
# Labels choose the tier: `long` is for `make test-long` alone, `slow` is left
# out of `make check`.

pkg_check_modules(EVKV_CRITERION QUIET IMPORTED_TARGET criterion)
find_program(EVKV_VALGRIND valgrind)
option(EVKV_TEST_VALGRIND "Run all tests under valgrind too" OFF)
option(EVKV_TEST_CRITERION "Run the tests by Criterion where it is found" ON)

set(evkv_test_dir ${CMAKE_CURRENT_SOURCE_DIR})
set(evkv_run_checked ${CMAKE_CURRENT_SOURCE_DIR}/lib/run-checked)
set(evkv_run_valgrind ${CMAKE_CURRENT_SOURCE_DIR}/lib/run-valgrind)

# ThreadSanitizer ends a program as soon as Criterion starts.
set(evkv_test_criterion OFF)
if(EVKV_TEST_CRITERION AND TARGET PkgConfig::EVKV_CRITERION
		AND NOT EVKV_SANITIZE MATCHES thread)
	set(evkv_test_criterion ON)
elseif(NOT TARGET PkgConfig::EVKV_CRITERION)
	message(WARNING "criterion is not installed: the tests run by their "
		"plain runner")
endif()
set(evkv_test_runner --plain)
if(evkv_test_criterion AND NOT EVKV_SANITIZE AND NOT EVKV_COVERAGE)
	# Its own children one after the other: ctest has the processors.
	set(evkv_test_runner --jobs 1)
endif()
# valgrind and the sanitizers each want the process for themselves.
set(evkv_test_valgrind ON)
if(EVKV_SANITIZE OR EVKV_COVERAGE)
	set(evkv_test_valgrind OFF)
endif()

function(evkv_test_program target)
	add_executable(${target} ${arg_SOURCES})
	target_include_directories(${target} PRIVATE
		${evkv_test_dir} ${PROJECT_SOURCE_DIR}/src)
	target_link_libraries(${target} PRIVATE
		evkv_build_flags ${arg_LIBS} evkv-test evkv::evkv
		PkgConfig::evkv_libevent_core Threads::Threads)
endfunction()

function(evkv_test_properties name)
	set_tests_properties(${name} PROPERTIES
		TIMEOUT ${arg_TIMEOUT}
		SKIP_RETURN_CODE 77
		RUN_SERIAL ${arg_SERIAL}
		LABELS "${ARGN}")
endfunction()

# evkv_test_under_valgrind(<name> <every run> <long run> <command...>)
function(evkv_test_under_valgrind name always long)
	set(also "")
	if(NOT evkv_test_valgrind)
		return()
	elseif(NOT always AND long AND NOT EVKV_TEST_VALGRIND)
		set(also long)
	elseif(NOT always AND NOT EVKV_TEST_VALGRIND)
		return()
	endif()
	math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 10")
	add_test(NAME valgrind.${name} COMMAND ${evkv_run_valgrind} ${ARGN})
	evkv_test_properties(valgrind.${name} valgrind ${arg_LABELS} ${also})
endfunction()

function(evkv_add_test)
	cmake_parse_arguments(PARSE_ARGV 0 arg
		"VALGRIND;VALGRIND_LONG;SERIAL;BUILD_ONLY"
		"NAME;TIMEOUT" "SOURCES;LIBS;LABELS;ARGS")
	if(NOT arg_NAME OR NOT arg_SOURCES)
		message(FATAL_ERROR "evkv_add_test: NAME and SOURCES are needed")
	endif()
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 120)
	endif()

	evkv_test_program(${arg_NAME})
	target_link_libraries(${arg_NAME} PRIVATE evkv-test-main)
	if(arg_BUILD_ONLY)
		return()
	endif()
	add_test(NAME ${arg_NAME} COMMAND ${evkv_run_checked}
		$<TARGET_FILE:${arg_NAME}> ${evkv_test_runner} ${arg_ARGS})
	evkv_test_properties(${arg_NAME} ${arg_LABELS})
	evkv_test_under_valgrind(${arg_NAME} ${arg_VALGRIND}
		${arg_VALGRIND_LONG} $<TARGET_FILE:${arg_NAME}> --plain
		${arg_ARGS})
endfunction()

# evkv_test_libraries(<test> <library>...): link its programs with those of them
# that are built here; HAVE_<LIBRARY> tells which.
function(evkv_test_libraries test)
	foreach(target ${test} plain-${test})
		foreach(library IN LISTS ARGN)
			if(TARGET ${target} AND TARGET evkv::${library})
				string(TOUPPER ${library} have)
				target_link_libraries(${target} PRIVATE
					evkv::${library})
				target_compile_definitions(${target} PRIVATE
					HAVE_${have})
			endif()
		endforeach()
	endforeach()
endfunction()

# evkv_add_conformance(<program> SOURCES <fixtures>.c ... [LIBS ...]
#     [LABELS ...] [TIMEOUT <s>] [ENVIRONMENT <variable>=<value> ...]
#     SUITES <suite>... [SWEEP ...] [MODEL ...] [DELAYED ...] [VALGRIND ...]
#     [<any of these>_LONG ...])
#
# One program for several suites (conformance/suites.h): conformance.<suite> for
# each of SUITES; sweep.<suite>, model.<suite>, delayed.<suite> (cases and model
# over the delaying store), delayed_sweep.<suite> and
# valgrind.conformance.<suite> for those named. What is named under _LONG is
# labelled `long`.
function(evkv_add_conformance program)
	set(groups SWEEP MODEL DELAYED DELAYED_SWEEP VALGRIND)
	set(lists SUITES SOURCES LIBS LABELS ENVIRONMENT ${groups})
	foreach(group SUITES ${groups})
		list(APPEND lists ${group}_LONG)
	endforeach()
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "${lists}")
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 300)
	endif()
	set(arg_SERIAL OFF)
	evkv_test_program(conformance-${program})
	target_sources(conformance-${program} PRIVATE
		${evkv_test_dir}/conformance/suites.c)
	target_include_directories(conformance-${program} PRIVATE
		${evkv_test_dir}/conformance)

	set(SUITES_prefix conformance)
	set(SUITES_options --cases)
	set(SWEEP_prefix sweep)
	set(SWEEP_options --sweep)
	set(MODEL_prefix model)
	set(MODEL_options --model)
	set(DELAYED_prefix delayed)
	set(DELAYED_options --delayed --cases --model)
	set(DELAYED_SWEEP_prefix delayed_sweep)
	set(DELAYED_SWEEP_options --delayed --sweep)
	foreach(group SUITES SWEEP MODEL DELAYED DELAYED_SWEEP)
		foreach(suite IN LISTS arg_${group} arg_${group}_LONG)
			set(name ${${group}_prefix}.${suite})
			set(labels ${${group}_prefix} ${arg_LABELS})
			if(suite IN_LIST arg_${group}_LONG)
				list(APPEND labels long)
			endif()
			add_test(NAME ${name} COMMAND ${evkv_run_checked}
				$<TARGET_FILE:conformance-${program}>
				${suite} ${${group}_options})
			evkv_test_properties(${name} ${labels})
			set_tests_properties(${name} PROPERTIES
				ENVIRONMENT "${arg_ENVIRONMENT}")
		endforeach()
	endforeach()
	foreach(suite IN LISTS arg_SUITES)
		set(always OFF)
		set(long OFF)
		if(suite IN_LIST arg_VALGRIND)
			set(always ON)
		elseif(suite IN_LIST arg_VALGRIND_LONG)
			set(long ON)
		endif()
		evkv_test_under_valgrind(conformance.${suite} ${always} ${long}
			$<TARGET_FILE:conformance-${program}> ${suite} --cases)
	endforeach()
endfunction()

# evkv_add_server(<script> <kind>): the test server.<script>_<kind>, which fetches
# and builds what that server of scripts/servers needs; once, then it is there.
# Tests that name it in FIXTURES_REQUIRED come after it.
function(evkv_add_server script kind)
	set(name server.${script}_${kind})
	add_test(NAME ${name}
		COMMAND ${PROJECT_SOURCE_DIR}/scripts/servers/${script} ${kind})
	set_tests_properties(${name} PROPERTIES
		FIXTURES_SETUP ${name}
		SKIP_RETURN_CODE 77
		TIMEOUT 1500
		LABELS "server;${ARGN}")
endfunction()
