# Read by the scripts beside this file: the steps that they share.
#
# What a server needs that no package of Debian has is kept in a folder of the
# user's cache directory, or in $EVKV_SERVERS_CACHE.

cache=${EVKV_SERVERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/evkv-servers}

say() {
	echo "$(basename "$0"): $*" >&2
}

die() {
	say "$*"
	exit 1
}

# lacking WORD...: something is not installed; the words say how to have it. Ends
# with 77, by which tests are skipped; under CI with 1.
lacking() {
	say "$*"
	[ "${CI:-}" != true ] || exit 1
	exit 77
}

# need PROGRAM HOW: without PROGRAM end; HOW says how to have it.
need() {
	command -v "$1" >/dev/null || lacking "$1 is missing: $2"
}

need_java() {
	need javac "run 'scripts/install-deps test', or install a JDK of 17 or newer"
	need mvn "run 'scripts/install-deps test', or install Maven"
}

# lock NAME: one build of NAME at a time; the others wait at most 20 minutes.
lock() {
	mkdir -p "$cache"
	exec 9>"$cache/$1.lock"
	flock -w 1200 9 || die "another build of $1 did not end"
}

unlock() {
	exec 9>&-
}

# maven_jars FOLDER: the jars that FOLDER/pom.xml names, into FOLDER/lib.
maven_jars() {
	say "getting jars, into $1"
	mvn -q -B -Dstyle.color=never -f "$1/pom.xml" \
		org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
		-DoutputDirectory="$1/lib" >&2 ||
		die "Maven could not get the jars"
}
