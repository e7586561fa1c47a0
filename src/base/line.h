/*
 * base/line.h - messages are one line.
 */
#ifndef EVKV_BASE_LINE_H
#define EVKV_BASE_LINE_H

/*
 * What a message quotes (a path, a server's words) may hold anything; what
 * would break the line is replaced.
 */
void evkv__one_line(char *message);

#endif
