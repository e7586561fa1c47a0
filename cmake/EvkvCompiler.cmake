# Language, warnings and what each build type defines.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Use through the target evkv_build_flags: everything of ours links it.
add_library(evkv_build_flags INTERFACE)
target_compile_options(evkv_build_flags INTERFACE
	-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
	-Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla
	$<$<BOOL:${EVKV_WERROR}>:-Werror>
	-fno-semantic-interposition)
# UBSan reports no signed overflow where it is defined to wrap.
if(NOT EVKV_SANITIZE)
	target_compile_options(evkv_build_flags INTERFACE -fno-strict-overflow)
endif()
# The valgrind of Debian 12 can't read what clang writes by default.
if(CMAKE_C_COMPILER_ID MATCHES Clang)
	target_compile_options(evkv_build_flags INTERFACE
		$<$<CONFIG:Debug>:-gdwarf-4>)
endif()
target_compile_definitions(evkv_build_flags INTERFACE
	_GNU_SOURCE
	$<$<CONFIG:Debug>:EVKV_DEBUG=1>)
