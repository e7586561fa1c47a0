/*
 * wrong_output.c - an opening comment that is wrong: check-output has to see it.
 *
 *     $ echo one; echo two
 *     one
 *     three
 */
