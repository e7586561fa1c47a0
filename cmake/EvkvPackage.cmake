# The Debian package, by cpack.
