# evkv_add_test(NAME <group>.<what> SOURCES ... [LIBS ...] [LABELS ...]
#     [TIMEOUT <s>] [ARGS ...] [VALGRIND] [SERIAL] [BUILD_ONLY])
#
# Two programs from the same sources: <name>, with Criterion's runner, and
# plain-<name>, with a main() that runs everything in its own process.
# In ctest they are <name> (Criterion; the plain one under ThreadSanitizer,
# where Criterion aborts, and where Criterion is not installed) and, with
# VALGRIND or in the valgrind preset, valgrind.<name> (the plain one).
#
# LIBS are libraries of ours beyond evkv::evkv. VALGRIND is for the tests that
# run under valgrind in every build; SERIAL for those that can't share the
# machine; BUILD_ONLY leaves add_test() to the caller. TIMEOUT is in seconds, 120
# if not given.

pkg_check_modules(EVKV_CRITERION QUIET IMPORTED_TARGET criterion)
find_program(EVKV_VALGRIND valgrind)
option(EVKV_TEST_VALGRIND "Run all tests under valgrind too" OFF)
option(EVKV_TEST_CRITERION "Run the tests by Criterion where it is found" ON)

set(evkv_test_dir ${CMAKE_CURRENT_SOURCE_DIR})
set(evkv_run_checked ${CMAKE_CURRENT_SOURCE_DIR}/lib/run-checked)
set(evkv_run_valgrind ${CMAKE_CURRENT_SOURCE_DIR}/lib/run-valgrind)

set(evkv_test_criterion OFF)
if(EVKV_TEST_CRITERION AND TARGET PkgConfig::EVKV_CRITERION
		AND NOT EVKV_SANITIZE MATCHES thread)
	set(evkv_test_criterion ON)
elseif(NOT TARGET PkgConfig::EVKV_CRITERION)
	message(WARNING "criterion is not installed: the tests run by their "
		"plain main()")
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

function(evkv_add_test)
	cmake_parse_arguments(PARSE_ARGV 0 arg "VALGRIND;SERIAL;BUILD_ONLY"
		"NAME;TIMEOUT" "SOURCES;LIBS;LABELS;ARGS")
	if(NOT arg_NAME OR NOT arg_SOURCES)
		message(FATAL_ERROR "evkv_add_test: NAME and SOURCES are needed")
	endif()
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 120)
	endif()

	evkv_test_program(plain-${arg_NAME})
	target_compile_definitions(plain-${arg_NAME} PRIVATE EVKV_TEST_PLAIN)
	target_link_libraries(plain-${arg_NAME} PRIVATE evkv-test-main)

	if(evkv_test_criterion)
		evkv_test_program(${arg_NAME})
		target_link_libraries(${arg_NAME} PRIVATE
			PkgConfig::EVKV_CRITERION)
	endif()
	if(arg_BUILD_ONLY)
		return()
	endif()

	if(evkv_test_criterion)
		# Its own children one after the other: ctest has the processors.
		add_test(NAME ${arg_NAME} COMMAND ${evkv_run_checked}
			$<TARGET_FILE:${arg_NAME}> --jobs 1 ${arg_ARGS})
	else()
		add_test(NAME ${arg_NAME} COMMAND ${evkv_run_checked}
			$<TARGET_FILE:plain-${arg_NAME}> ${arg_ARGS})
	endif()
	evkv_test_properties(${arg_NAME} ${arg_LABELS})

	if(evkv_test_valgrind AND (arg_VALGRIND OR EVKV_TEST_VALGRIND))
		math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 10")
		add_test(NAME valgrind.${arg_NAME} COMMAND ${evkv_run_valgrind}
			$<TARGET_FILE:plain-${arg_NAME}> ${arg_ARGS})
		evkv_test_properties(valgrind.${arg_NAME} valgrind ${arg_LABELS})
	endif()
endfunction()

# evkv_add_conformance(NAME <store> SOURCES <fixture>.c [LIBS ...]
#     [DEFINITIONS ...] [LABELS ...] [TIMEOUT <s>]
#     [SWEEP] [MODEL] [VALGRIND] [SERIAL])
#
# Puts a store under the conformance suite (conformance/conformance.h):
# conformance.<store>, and by the flags sweep.<store>, model.<store> and
# valgrind.conformance.<store>. DEFINITIONS are for the fixture, so that one
# file can serve several variants.
function(evkv_add_conformance)
	cmake_parse_arguments(PARSE_ARGV 0 fixture
		"SWEEP;MODEL;VALGRIND;SERIAL" "NAME;TIMEOUT"
		"SOURCES;LIBS;DEFINITIONS;LABELS")
	if(NOT fixture_TIMEOUT)
		set(fixture_TIMEOUT 300)
	endif()
	set(flags "")
	if(fixture_SERIAL)
		set(flags SERIAL)
	endif()

	# The fixture is the same for all of them: compiled once.
	set(objects fixture-${fixture_NAME})
	add_library(${objects} OBJECT ${fixture_SOURCES})
	target_compile_definitions(${objects} PRIVATE ${fixture_DEFINITIONS})
	target_include_directories(${objects} PRIVATE
		${evkv_test_dir}/conformance)
	target_link_libraries(${objects} PRIVATE
		evkv_build_flags ${fixture_LIBS} evkv-test)

	set(groups conformance)
	if(fixture_SWEEP)
		list(APPEND groups sweep)
	endif()
	if(fixture_MODEL AND EXISTS ${evkv_test_dir}/model/stamp.c)
		list(APPEND groups model)
	endif()
	foreach(group IN LISTS groups)
		set(valgrind "")
		if(fixture_VALGRIND AND group STREQUAL "conformance")
			set(valgrind VALGRIND)
		endif()
		set(cases evkv-conformance)
		set(stamp ${evkv_test_dir}/conformance/stamp.c)
		if(group STREQUAL "model")
			set(stamp ${evkv_test_dir}/model/stamp.c)
			set(cases evkv-model)
		endif()
		evkv_add_test(NAME ${group}.${fixture_NAME}
			SOURCES ${stamp} $<TARGET_OBJECTS:${objects}>
			LIBS ${cases} ${fixture_LIBS}
			LABELS ${group} ${fixture_LABELS}
			TIMEOUT ${fixture_TIMEOUT} ${valgrind} ${flags})
		foreach(target ${group}.${fixture_NAME}
				plain-${group}.${fixture_NAME})
			if(TARGET ${target} AND group STREQUAL "sweep")
				target_compile_definitions(${target} PRIVATE
					CONFORMANCE_SWEEP)
			endif()
		endforeach()
	endforeach()
endfunction()
