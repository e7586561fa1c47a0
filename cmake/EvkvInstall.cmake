# Headers, libraries, a .pc file for each library, and evkvConfig.cmake.
#
# For each library there are two files beside evkvConfig.cmake: its targets and
# what they need, evkv-<short>-component.cmake.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(evkv_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/evkv)
set(evkv_pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(evkv_generated ${PROJECT_BINARY_DIR}/generated)

# The .pc files find their prefix from where they are.
file(RELATIVE_PATH evkv_pc_prefix /${evkv_pc_dir} /)
string(REGEX REPLACE "/$" "" evkv_pc_prefix "${evkv_pc_prefix}")

function(evkv_install_library name)
	string(REGEX REPLACE "^evkv-" "" short ${name})
	foreach(what USES MODULES PUBLIC_MODULES)
		get_property(${what} GLOBAL PROPERTY EVKV_${what}_${name})
	endforeach()

	install(TARGETS ${name}_shared ${name}_static
		EXPORT evkv-${short}-targets
		LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
		ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
	install(EXPORT evkv-${short}-targets
		NAMESPACE evkv::
		DESTINATION ${evkv_cmake_dir})

	set(pc_requires ${PUBLIC_MODULES})
	set(component_uses "")
	foreach(used IN LISTS USES)
		string(REGEX REPLACE "^evkv::" "" used ${used})
		list(APPEND component_uses ${used})
		if(used STREQUAL evkv)
			list(APPEND pc_requires "evkv = ${PROJECT_VERSION}")
		else()
			list(APPEND pc_requires
				"evkv-${used} = ${PROJECT_VERSION}")
		endif()
	endforeach()
	set(component_modules ${PUBLIC_MODULES} ${MODULES})
	set(pc_name ${name})
	if(short STREQUAL evkv)
		set(pc_description "${PROJECT_DESCRIPTION}")
	else()
		set(pc_description "${PROJECT_DESCRIPTION}: ${short}")
	endif()
	list(JOIN pc_requires ", " pc_requires)
	# As flags, not as modules: who links the shared library has no need of
	# the development files of what is under it.
	set(pc_private "")
	foreach(module IN LISTS MODULES)
		list(JOIN evkv_${module}_LDFLAGS " " flags)
		string(APPEND pc_private "${flags} ")
	endforeach()
	configure_file(${PROJECT_SOURCE_DIR}/cmake/evkv.pc.in
		${evkv_generated}/${name}.pc @ONLY)
	configure_file(${PROJECT_SOURCE_DIR}/cmake/evkv-component.cmake.in
		${evkv_generated}/evkv-${short}-component.cmake @ONLY)
	install(FILES ${evkv_generated}/${name}.pc
		DESTINATION ${evkv_pc_dir})
	install(FILES ${evkv_generated}/evkv-${short}-component.cmake
		DESTINATION ${evkv_cmake_dir})
endfunction()

get_property(evkv_libraries GLOBAL PROPERTY EVKV_LIBRARIES)
set(evkv_components "")
foreach(library IN LISTS evkv_libraries)
	evkv_install_library(${library})
	string(REGEX REPLACE "^evkv-" "" short ${library})
	list(APPEND evkv_components ${short})
endforeach()

# The suite's archive holds names like those of any test program.
if("conformance" IN_LIST evkv_components)
	install(CODE "
		set(archive \"${CMAKE_INSTALL_LIBDIR}/libevkv-conformance.a\")
		if(NOT IS_ABSOLUTE \"\${archive}\")
			set(archive \"\${CMAKE_INSTALL_PREFIX}/\${archive}\")
		endif()
		execute_process(COMMAND
			\"${PROJECT_SOURCE_DIR}/cmake/prefix-symbols\"
			\"${CMAKE_NM}\" \"${CMAKE_OBJCOPY}\"
			\"\$ENV{DESTDIR}\${archive}\"
			COMMAND_ERROR_IS_FATAL ANY)")
endif()

configure_package_config_file(
	${PROJECT_SOURCE_DIR}/cmake/evkvConfig.cmake.in
	${evkv_generated}/evkvConfig.cmake
	INSTALL_DESTINATION ${evkv_cmake_dir})
write_basic_package_version_file(
	${evkv_generated}/evkvConfigVersion.cmake
	COMPATIBILITY SameMinorVersion)
install(FILES
	${evkv_generated}/evkvConfig.cmake
	${evkv_generated}/evkvConfigVersion.cmake
	DESTINATION ${evkv_cmake_dir})

# A driver that was not built leaves no header behind.
set(evkv_absent_headers "")
foreach(driver elasticsearch
		resolver pipeline http executor redis memcached disk conformance
		compression encryption filetree jsonfile log
		mongodb)
	if(NOT driver IN_LIST evkv_components)
		list(APPEND evkv_absent_headers
			PATTERN ${driver}.h EXCLUDE)
		if(driver STREQUAL pipeline)
			list(APPEND evkv_absent_headers
				PATTERN spread.h EXCLUDE)
		endif()
		if(driver STREQUAL disk)
			list(APPEND evkv_absent_headers
				PATTERN multi_disk.h EXCLUDE)
		endif()
	endif()
endforeach()
install(DIRECTORY include/evkv
	DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
	FILES_MATCHING PATTERN *.h
	${evkv_absent_headers})

# The pages lie as in the tree, so that their links lead somewhere. Those to
# headers lead to the installed ones.
file(RELATIVE_PATH evkv_doc_to_include
	/${CMAKE_INSTALL_DOCDIR} /${CMAKE_INSTALL_INCLUDEDIR})
string(REGEX REPLACE "/$" "" evkv_doc_to_include "${evkv_doc_to_include}")
file(GLOB evkv_pages RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS
	*.md docs/*.md)
install(DIRECTORY docs/
	DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs
	FILES_MATCHING PATTERN *.svg
	PATTERN man EXCLUDE)
foreach(page IN LISTS evkv_pages)
	file(READ ${page} text)
	string(REPLACE "](include/" "](${evkv_doc_to_include}/" text "${text}")
	string(REPLACE "](../include/" "](../${evkv_doc_to_include}/" text
		"${text}")
	file(WRITE ${evkv_generated}/doc/${page} "${text}")
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page})
endforeach()
install(DIRECTORY ${evkv_generated}/doc/
	DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The manual pages, where the tools that write them are there.
if(EVKV_MAN_TOOLS)
	file(GLOB_RECURSE evkv_man_sources CONFIGURE_DEPENDS
		include/*.h docs/*.md docs/man/*)
	add_custom_command(OUTPUT ${evkv_generated}/man/stamp
		COMMAND ${PROJECT_SOURCE_DIR}/scripts/man ${evkv_generated}/man
		COMMAND ${CMAKE_COMMAND} -E touch ${evkv_generated}/man/stamp
		DEPENDS scripts/man README.md docs/Doxyfile
			${evkv_man_sources}
		COMMENT "Writing the manual pages")
	add_custom_target(man ALL DEPENDS ${evkv_generated}/man/stamp)
	install(DIRECTORY ${evkv_generated}/man/
		DESTINATION ${CMAKE_INSTALL_MANDIR}
		FILES_MATCHING PATTERN "*.[137]")
endif()

install(DIRECTORY examples
	DESTINATION ${CMAKE_INSTALL_DOCDIR}
	FILES_MATCHING PATTERN *.c PATTERN *.h PATTERN Makefile
		PATTERN CMakeLists.txt)
