# The Debian package, by cpack in the build tree.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME evkv)
set(CPACK_PACKAGE_VENDOR "evkv maintainers")
set(CPACK_PACKAGE_CONTACT "evkv maintainers <maintainers@evkv.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
# Of the libraries inside, their packages; of the headers, libevent's.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/lib)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS libevent-dev)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS
	"libc-ares-dev, libssl-dev, libhiredis-dev, liblmdb-dev, libxxhash-dev"
	"libzstd-dev, libsodium-dev, libcurl4-openssl-dev, zlib1g-dev, libmemcached-dev")
list(JOIN CPACK_DEBIAN_PACKAGE_SUGGESTS ", " CPACK_DEBIAN_PACKAGE_SUGGESTS)

include(CPack)
