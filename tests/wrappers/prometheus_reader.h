/*
 * tests/wrappers/prometheus_reader.h - a strict reader of Prometheus text.
 */
#ifndef TESTS_WRAPPERS_PROMETHEUS_READER_H
#define TESTS_WRAPPERS_PROMETHEUS_READER_H

/*
 * Fails the test where the text breaks the format 0.0.4: each metric one block
 * under HELP and TYPE, names and labels well-formed, no line twice, histograms
 * that grow to their count.
 */
void prometheus_check(const char *text);

/* The number of the line that begins with `series`; -1 = there is none. */
double prometheus_number(const char *text, const char *series);

#endif
