# evkv_add_fuzzer(<name> SOURCES ... [LIBS ...])
#
# A libFuzzer target, bin/fuzz/<name> in the build tree, which `make fuzz`
# runs; the target `fuzzers` builds them all. Where they are not built the call
# does nothing. First inputs, where there are some, are in
# tests/fuzz/corpus/<name>.

if(EVKV_BUILD_FUZZERS)
	if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
		message(FATAL_ERROR "EVKV_BUILD_FUZZERS needs clang")
	endif()
	add_compile_options(-fsanitize=fuzzer-no-link)
	add_custom_target(fuzzers)
endif()

function(evkv_add_fuzzer name)
	if(NOT EVKV_BUILD_FUZZERS)
		return()
	endif()
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
	add_executable(${name} ${arg_SOURCES})
	set_target_properties(${name} PROPERTIES
		RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin/fuzz)
	target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
	target_link_libraries(${name} PRIVATE
		evkv_build_flags evkv::evkv ${arg_LIBS})
	target_link_options(${name} PRIVATE -fsanitize=fuzzer)
	add_dependencies(fuzzers ${name})
endfunction()
