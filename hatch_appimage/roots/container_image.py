# SPDX-License-Identifier: MIT
"""Put the root file system of a container image together from its layers.

Two formats are read: image layouts (OCI Image Format Specification 1.1, "Image Layout", "Image Index", "Image Manifest"
and "Layer Filesystem Changeset"), as `skopeo copy` and `buildah push` write them, and what `docker save` and
`podman save` write (Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format").
"""

from __future__ import annotations

import json
import os
import re
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from hatch_appimage.errors import AppImageError
from hatch_appimage.format import file_digest
from hatch_appimage.roots.tree import is_directory, move_into, remove
from hatch_appimage.unpack import unpack_system

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_appimage.architecture import Architecture

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
# An index may name others; nobody nests them deeper.
_MAX_DEPTH: Final = 4
# GOARCH, which the specification takes the names of architectures from.
_GO_NAMES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armhf": "arm", "i686": "386"}


def is_container_image(directory: Path) -> bool:
    """Whether a directory holds a container image, and not a root file system."""
    names = {path.name for path in directory.iterdir()}
    return "oci-layout" in names or ("manifest.json" in names and not names & {"bin", "usr"})


def unpack_layers(image: Path, root: Path, architecture: Architecture, *, source: str) -> None:
    """Unpack the layers of a container image, each over those below it.

    Args:
        image: the directory of the image.
        root: an existing directory.
        architecture: which image is taken where there are several.
        source: what messages call the image.

    Raises:
        AppImageError: it is damaged, or there is none for this architecture.

    """
    for layer in _find_layers(image, architecture, source):
        with TemporaryDirectory(prefix=".layer-", dir=root.parent) as directory:
            changes = Path(directory, "changes")
            changes.mkdir()
            unpack_system(layer, changes, source=f"A layer of {source}")
            _apply_whiteouts(changes, root)
            move_into(changes, root)


def _apply_whiteouts(changes: Path, root: Path) -> None:
    """Remove from a root what a layer says is not there any more."""
    for entry in list(os.scandir(changes)):
        below = root / entry.name
        if entry.is_dir(follow_symlinks=False):
            if is_directory(below):
                _apply_whiteouts(Path(entry.path), below)
            else:
                _drop_whiteouts(Path(entry.path))
        elif entry.name.startswith(_WHITEOUT):
            Path(entry.path).unlink()
            for path in _hidden_by(entry.name, root):
                remove(path)


def _hidden_by(whiteout: str, directory: Path) -> list[Path]:
    """Return what a whiteout in a directory of a layer says is not in that directory any more."""
    if whiteout == _OPAQUE:
        return list(directory.iterdir())
    name = whiteout[len(_WHITEOUT) :]
    return [] if name in {"", ".", ".."} else [directory / name]


def _drop_whiteouts(changes: Path) -> None:
    """Remove whiteouts from a directory of a layer that lies over nothing."""
    for directory, _, names in os.walk(changes):
        for name in names:
            if name.startswith(_WHITEOUT):
                Path(directory, name).unlink()


def _find_layers(image: Path, architecture: Architecture, source: str) -> list[Path]:
    """Return the layers of an image, the lowest first."""
    try:
        if (image / "manifest.json").exists():
            names = _read_json(_file_in(image, "manifest.json"))[0]["Layers"]
            found = [_file_in(image, str(name)) for name in names]
        else:
            manifest = _find_manifest(image, _read_json(_file_in(image, "index.json")), architecture)
            found = [_find_blob(image, layer) for layer in manifest["layers"]]
    except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        raise AppImageError(f"{source} is no container image that can be read: {error}") from error
    return found


def _find_manifest(image: Path, index: Any, architecture: Architecture, depth: int = 1) -> Any:
    """Return the manifest of the image for an architecture, whose index may lead to others."""
    for described in _matching(index, architecture):
        document = _read_json(_find_blob(image, described))
        if "layers" in document:
            return document
        if "manifests" in document and depth < _MAX_DEPTH:
            return _find_manifest(image, document, architecture, depth + 1)
    raise LookupError(f"there is no image for {architecture.name} in it")


def _matching(index: Any, architecture: Architecture) -> Iterator[Any]:
    """Yield what an index describes that is for an architecture, or does not say for which one."""
    for described in index["manifests"]:
        platform = described.get("platform", {})
        if platform.get("architecture", _GO_NAMES[architecture.name]) == _GO_NAMES[architecture.name]:
            yield described


def _find_blob(image: Path, described: Any) -> Path:
    """Return the file that a descriptor means, once its digest is right."""
    match = _DIGEST.fullmatch(described["digest"])
    if match is None:
        raise ValueError(f"`{described['digest']}` is no SHA-256 digest")
    path = _file_in(image, f"blobs/sha256/{match[1]}")
    if file_digest(path, sha256()).hex() != match[1]:
        raise ValueError(f"{match[0]} is damaged")
    return path


def _file_in(image: Path, name: str) -> Path:
    """Return a file of the image by its name, behind links, as long as it lies in the image."""
    path = (image / name).resolve(strict=True)
    if not path.is_relative_to(image.resolve()):
        raise ValueError(f"`{name}` lies outside of it")
    return path


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
