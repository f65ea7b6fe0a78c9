/* SPDX-License-Identifier: MIT */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "settings.h"

/*
 * What the application gets: the caller's variables without ARGV0, which is AppRun's business alone, with APPDIR,
 * with the defaults for what is not set, and with the image's commands in front of PATH if that is wanted.
 */
char **environment_make(const struct settings *settings, const char *appdir);

#endif
