# SPDX-License-Identifier: MIT
"""Make an image of a tree: written, signed, described for updates, and put into its place when it is whole."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from hatch_appimage.errors import ErrorCollector
from hatch_appimage.image.block_map import write_block_map
from hatch_appimage.image.publish import publish, temporary_directory
from hatch_appimage.image.sections import check_sections
from hatch_appimage.image.sign import Signer, sign_image
from hatch_appimage.image.write import load_runtime, write_image
from hatch_appimage.image.zsync import write_zsync
from hatch_appimage.layout import AppDir
from hatch_appimage.results import Results
from hatch_appimage.runtime import runtime_path
from hatch_appimage.timestamp import reproducible_timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.image.compression import Preset
    from hatch_appimage.image.write import Image, Runtime
    from hatch_appimage.pack.contents import Contents

# Images that manage themselves update by block maps; this is in them.
_MANAGE = AppDir(Path(), "").manage.as_posix()


@dataclass(frozen=True)
class Packing:
    """How images are made, whatever is in them.

    Attributes:
        compression: how they are compressed.
        runtime: the file of a runtime; None for ours.
        sign: they are to be signed.
        sign_key: with which key, as gpg takes it; None for gpg's default key.
        zsync_url: of the image, relative to its .zsync file; None for the image's name.

    """

    compression: Preset
    runtime: Path | None = None
    sign: bool = False
    sign_key: str | None = None
    zsync_url: str | None = None


@dataclass(frozen=True)
class Finish:
    """What becomes of one tree.

    Attributes:
        target: the image's file.
        packing: how it is made.
        runtime: what it begins with.
        signer: who signs it; None for nobody.
        update_information: the line for update tools; None for none.
        timestamp: of its .zsync file, in seconds since the epoch.

    """

    target: Path
    packing: Packing
    runtime: Runtime
    signer: Signer | None
    update_information: str | None
    timestamp: int

    @classmethod
    def prepare(
        cls, target: Path, packing: Packing, architecture: Architecture, update_information: str | None
    ) -> Finish:
        """Find all that is needed; write nothing.

        Raises:
            ConfigurationError: with all that is not there, or cannot be, at once.

        """
        errors = ErrorCollector()
        path = packing.runtime
        runtime = errors.catch(lambda: load_runtime(path or runtime_path(architecture.name), architecture))
        signer = errors.catch(Signer.find, packing.sign_key) if packing.sign else None
        if runtime:
            errors.catch(check_sections, runtime, update_information, signs=packing.sign)
        timestamp = errors.catch(reproducible_timestamp)
        errors.catch(_check_target, target)
        errors.raise_all()
        return cls(target, packing, runtime, signer, update_information, timestamp)

    def write(
        self,
        contents: Contents,
        *,
        mtime: int | None,
        order: Sequence[str] = (),
        application: Sequence[str] = (),
        version: str = "",
    ) -> Image:
        """Write the image, and what goes out with it.

        Args:
            contents: what goes into it.
            mtime: the time of every file, in seconds since the epoch; None keeps their own.
            order: paths of the files to lay at the front.
            application: paths of the files that every release changes.
            version: of the application.

        Returns:
            The image in its place.

        Raises:
            AppImageError: something cannot be packed, or not be signed; then the place is as it was.
            OSError: something cannot be read or written.

        """
        self.target.parent.mkdir(parents=True, exist_ok=True)
        results = Results.of_user()
        with temporary_directory(self.target.parent) as beside:
            image = write_image(
                contents.directories,
                self.runtime,
                beside / self.target.name,
                self.packing.compression,
                order=order,
                application=application,
                update_information=self.update_information,
                timestamp=mtime,
                results=results,
            )
            if self.signer:
                image = sign_image(image, self.signer)
            if self.update_information:
                url = self.packing.zsync_url or quote(self.target.name)
                write_zsync(image.path, url=url, mtime=self.timestamp)
                if contents.resolve(_MANAGE):
                    write_block_map(image.path, version=version)
            publish(image.path, self.target)
        results.prune()
        return replace(image, path=self.target)


def _check_target(target: Path) -> None:
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "A directory is where the image is to go", str(target))
