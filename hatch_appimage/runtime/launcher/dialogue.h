/* SPDX-License-Identifier: MIT */
#ifndef DIALOGUE_H
#define DIALOGUE_H

/*
 * Tells a user who sees no terminal why an application does not start: in a window, by whatever program for that exists,
 * and until it is closed. Where stderr is a terminal, or there is no display, nothing is shown.
 */
void dialogue_show(const char *application, const char *reason);

#endif
