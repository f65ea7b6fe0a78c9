# SPDX-License-Identifier: MIT
"""Part of every image: see whether all of it works on this machine, and say so in one line for each part.

``AppRun --appimage-self-test`` runs it in the bundled Python, where it is the package ``_appimage_self_test`` in
``usr/libexec/self-test``. It imports the entry points and all extension modules, loads all shared libraries, and looks
for what an application takes from the machine: C library, character encoding, certificates, time zones. A line begins
with ``ok``, ``FAILED`` or ``skipped``; the last one has the numbers of each. The exit status is 1 if anything failed,
else 0.

What is skipped is no fault of the image: a library that images leave to the machine and that this one lacks, one that
the project is built to do without, an extension module for a package that is not installed or for another Python, and
certificates or time zones where neither the machine nor the image has any.

It runs on every Python that can be bundled, from 3.8 on, and imports little: what this process itself needs cannot be
told as broken.
"""
