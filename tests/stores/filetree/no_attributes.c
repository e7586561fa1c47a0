#include "no_attributes.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

bool no_attributes;

/* The tree is compiled with hidden symbols; these must be seen by others. */
#define SEEN __attribute__((visibility("default")))

static bool refused(void)
{
	if (no_attributes)
		errno = ENOTSUP;
	return no_attributes;
}

SEEN int fsetxattr(int fd, const char *name, const void *value, size_t size,
    int flags)
{
	return refused()
	    ? -1
	    : (int)syscall(SYS_fsetxattr, fd, name, value, size, flags);
}

SEEN ssize_t fgetxattr(int fd, const char *name, void *value, size_t size)
{
	return refused() ? -1 : syscall(SYS_fgetxattr, fd, name, value, size);
}

SEEN int fremovexattr(int fd, const char *name)
{
	return refused() ? -1 : (int)syscall(SYS_fremovexattr, fd, name);
}
