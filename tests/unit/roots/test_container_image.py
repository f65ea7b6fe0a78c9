# SPDX-License-Identifier: MIT
"""Layers of container images become one tree, whatever they say."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.errors import AppImageError
from hatch_appimage.roots.container_image import is_container_image, unpack_layers

if TYPE_CHECKING:
    from pathlib import Path

X86_64 = ARCHITECTURES["x86_64"]


def layer(*entries: str) -> bytes:
    """Return a layer of files (`name=content`), links (`name>target`), devices (`name!`) and directories (`name/`)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for entry in entries:
            name, separator, content = entry.partition("=")
            link, arrow, target = entry.partition(">")
            member = tarfile.TarInfo(link if arrow else name.rstrip("/!"))
            if arrow:
                member.type, member.linkname = tarfile.SYMTYPE, target
            elif entry.endswith("/"):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            elif entry.endswith("!"):
                member.type = tarfile.CHRTYPE
            member.size = len(content) if separator else 0
            tar.addfile(member, io.BytesIO(content.encode()))
    return stream.getvalue()


def write_blob(image: Path, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    blobs = image / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def write_manifest(image: Path, *layers: bytes) -> dict[str, Any]:
    described = {"layers": [write_blob(image, content) for content in layers]}
    return write_blob(image, json.dumps(described).encode())


def write_layout(image: Path, *manifests: dict[str, Any]) -> Path:
    (image / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (image / "index.json").write_text(json.dumps({"manifests": manifests}))
    return image


def write_saved(image: Path, *layers: bytes) -> Path:
    """Write what `docker save` makes."""
    names = []
    for number, content in enumerate(layers):
        (image / f"{number}.tar").write_bytes(content)
        names.append(f"{number}.tar")
    (image / "manifest.json").write_text(json.dumps([{"Layers": names}]))
    return image


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "image").mkdir()
    return tmp_path / "image"


def unpacked(image: Path) -> dict[str, str]:
    """Return what is in the root of an image: contents of files, and targets of links."""
    root = image.with_name("root")
    root.mkdir()
    unpack_layers(image, root, X86_64, source="it")
    assert sorted(path.name for path in root.parent.iterdir()) == ["image", "root"]
    return {
        str(path.relative_to(root)): f">{path.readlink()}" if path.is_symlink() else path.read_text()
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


LAYERS = {
    "both": ((layer("a=1"), layer("b=2")), {"a": "1", "b": "2"}),
    "the upper one wins": ((layer("d/a=1", "d/b=1"), layer("d/a=2")), {"d/a": "2", "d/b": "1"}),
    "whiteout of a file": ((layer("d/a=1", "d/b=1"), layer("d/.wh.a")), {"d/b": "1"}),
    "whiteout of a directory": ((layer("d/e/a=1", "b=1"), layer(".wh.d")), {"b": "1"}),
    "whiteout of what is not there": ((layer("a=1"), layer("d/.wh.b", ".wh.c")), {"a": "1"}),
    "opaque directory": ((layer("d/a=1", "d/e/b=1", "c=1"), layer("d/.wh..wh..opq", "d/n=2")), {"c": "1", "d/n": "2"}),
    "whiteouts in one layer do not hide it": ((layer("a=1"), layer(".wh.a", "a=2")), {"a": "2"}),
    "a file for a directory": ((layer("d/a=1"), layer("d=2")), {"d": "2"}),
    "a directory for a file": ((layer("d=1"), layer("d/a=2")), {"d/a": "2"}),
    "a link for a directory": ((layer("lib/a=1"), layer("lib>usr/lib")), {"lib": ">usr/lib"}),
    "a directory for a link": ((layer("lib>/etc"), layer("lib/a=2")), {"lib/a": "2"}),
    "absolute links, and no devices": ((layer("etc/mtab>/proc/mounts", "null!"),), {"etc/mtab": ">/proc/mounts"}),
    "names that no whiteout has": ((layer("d/a=1"), layer("d/.wh...", "d/.wh..", "d/.wh.")), {"d/a": "1"}),
}


@pytest.mark.parametrize(("layers", "expected"), LAYERS.values(), ids=LAYERS)
def test_layers(image: Path, layers: tuple[bytes, ...], expected: dict[str, str]) -> None:
    write_layout(image, write_manifest(image, *layers))
    assert is_container_image(image)
    assert unpacked(image) == expected


def test_whiteouts_stay_in_the_root(image: Path) -> None:
    """Not even where the layer below has a link in their place."""
    outside = image.with_name("outside")
    outside.mkdir()
    (outside / "file").touch()
    write_layout(image, write_manifest(image, layer(f"d>{outside}"), layer("d/.wh.file", "d/new=1")))
    root = image.with_name("root")
    root.mkdir()
    unpack_layers(image, root, X86_64, source="it")
    assert [path.name for path in outside.iterdir()] == ["file"]


def test_saved_by_docker(image: Path) -> None:
    write_saved(image, layer("a=1", "b=1"), layer(".wh.b"))
    assert is_container_image(image)
    assert unpacked(image) == {"a": "1"}


def test_image_of_several_architectures(image: Path) -> None:
    """In an index behind the index, as registries have it."""
    manifests = [
        {**write_manifest(image, layer(f"{name}=1")), "platform": {"architecture": name, "os": "linux"}}
        for name in ("arm64", "amd64")
    ]
    write_layout(image, write_blob(image, json.dumps({"manifests": manifests}).encode()))
    assert unpacked(image) == {"amd64": "1"}


def test_no_image_for_this_architecture(image: Path) -> None:
    write_layout(image, {**write_manifest(image, layer("a=1")), "platform": {"architecture": "arm64"}})
    with pytest.raises(AppImageError, match="it is no container image that can be read: there is no image for x86_64"):
        unpacked(image)


def test_damaged_layer(image: Path) -> None:
    content = layer("a=1")
    write_layout(image, write_manifest(image, content))
    blob = image / "blobs/sha256" / hashlib.sha256(content).hexdigest()
    blob.write_bytes(content[:-1] + b"!")
    with pytest.raises(AppImageError, match="is damaged"):
        unpacked(image)


@pytest.mark.parametrize(
    "manifest", ["", "[]", "{}", "[{}]", "null", '[{"Layers": ["../../outside"]}]', '[{"Layers": 1}]']
)
def test_nonsense(image: Path, manifest: str) -> None:
    image.parent.with_name("outside").touch()
    (image / "manifest.json").write_text(manifest)
    with pytest.raises(AppImageError, match="it is no container image that can be read"):
        unpacked(image)


def test_root_with_a_manifest_is_no_image(image: Path) -> None:
    write_saved(image, layer("a=1"))
    (image / "usr").mkdir()
    assert not is_container_image(image)
