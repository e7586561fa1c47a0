# evkv_add_library(<name> [SOURCES ...] [USES ...] [MODULES ...]
#     [PUBLIC_MODULES ...])
#
# One of our libraries, static and shared from the same objects:
#   <name>-objects, where target_sources() may add more files;
#   <name>_static   lib<name>.a, with the internal symbols reachable;
#   <name>_shared   lib<name>.so, which exports what is marked EVKV_API only.
# In the tree the alias evkv::<x> (evkv::evkv, evkv::redis, ...) is the static
# one and evkv::<x>_shared the shared one; a program takes either kind for all
# of them, never both.
#
# USES names other libraries of ours by their alias (evkv::evkv, ...), MODULES
# foreign ones by their pkg-config module; PUBLIC_MODULES are those that users
# call too.

set_property(GLOBAL PROPERTY EVKV_LIBRARIES "")
configure_file(${PROJECT_SOURCE_DIR}/cmake/evkv.map.in
	${PROJECT_BINARY_DIR}/evkv.map @ONLY)

function(evkv_add_library name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" ""
		"SOURCES;USES;MODULES;PUBLIC_MODULES")
	string(REGEX REPLACE "^evkv-" "" short ${name})
	set(headers
		$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
		$<INSTALL_INTERFACE:include>)

	add_library(${name}-objects OBJECT ${arg_SOURCES})
	set_target_properties(${name}-objects PROPERTIES
		POSITION_INDEPENDENT_CODE ON)
	target_include_directories(${name}-objects PRIVATE
		${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
	target_link_libraries(${name}-objects PRIVATE
		evkv_build_flags Threads::Threads)

	add_library(${name}_static STATIC)
	add_library(${name}_shared SHARED)
	add_library(evkv::${short} ALIAS ${name}_static)
	add_library(evkv::${short}_shared ALIAS ${name}_shared)
	set_target_properties(${name}_static ${name}_shared PROPERTIES
		OUTPUT_NAME ${name}
		LINKER_LANGUAGE C
		ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
		LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
	set_target_properties(${name}_static PROPERTIES
		EXPORT_NAME ${short}_static)
	# Before 1.0 every minor version may break the ABI.
	set_target_properties(${name}_shared PROPERTIES
		EXPORT_NAME ${short}
		INSTALL_RPATH "$ORIGIN"
		VERSION ${PROJECT_VERSION}
		SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
	foreach(kind static shared)
		target_link_libraries(${name}_${kind} PRIVATE
			$<BUILD_INTERFACE:${name}-objects>)
		target_include_directories(${name}_${kind} INTERFACE ${headers})
		target_link_libraries(${name}_${kind} PRIVATE Threads::Threads)
	endforeach()

	# So that two minor versions can be in one process.
	target_link_options(${name}_shared PRIVATE
		-Wl,--version-script=${PROJECT_BINARY_DIR}/evkv.map)
	set_property(TARGET ${name}_shared APPEND PROPERTY
		LINK_DEPENDS ${PROJECT_BINARY_DIR}/evkv.map)
	if(NOT EVKV_SANITIZE)
		# A driver that uses what evkv does not export fails here.
		target_link_options(${name}_shared PRIVATE -Wl,-z,defs)
	endif()

	foreach(used IN LISTS arg_USES)
		target_link_libraries(${name}_static PUBLIC ${used})
		target_link_libraries(${name}_shared PUBLIC ${used}_shared)
	endforeach()
	foreach(module IN LISTS arg_MODULES)
		foreach(target ${name}-objects ${name}_static ${name}_shared)
			target_link_libraries(${target} PRIVATE
				PkgConfig::evkv_${module})
		endforeach()
	endforeach()

	foreach(module IN LISTS arg_PUBLIC_MODULES)
		foreach(target ${name}-objects ${name}_static ${name}_shared)
			target_link_libraries(${target} PUBLIC
				PkgConfig::evkv_${module})
		endforeach()
	endforeach()

	set_property(GLOBAL APPEND PROPERTY EVKV_LIBRARIES ${name})
	set_property(GLOBAL PROPERTY EVKV_USES_${name} "${arg_USES}")
	set_property(GLOBAL PROPERTY EVKV_MODULES_${name} "${arg_MODULES}")
	set_property(GLOBAL PROPERTY EVKV_PUBLIC_MODULES_${name}
		"${arg_PUBLIC_MODULES}")
endfunction()
