#include "engines/files/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "engines/files/look.h"

bool evkv__file_lock(int fd, short type, off_t byte)
{
	struct flock lock = { .l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

bool evkv__file_lock_taken(void)
{
	return errno == EAGAIN || errno == EACCES;
}

/* By their names: a descriptor of another thread may be closed meanwhile. */
bool evkv__file_lock_own(int fd)
{
	DIR *list = opendir("/proc/self/fd");
	struct dirent *entry;
	bool own = false;
	int other;

	while (list != NULL && !own && (entry = readdir(list)) != NULL)
		own = sscanf(entry->d_name, "%d", &other) == 1 && other != fd &&
		    file_leads_to(dirfd(list), entry->d_name, fd);
	if (list != NULL)
		closedir(list);
	return own;
}
