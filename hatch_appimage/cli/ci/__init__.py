# SPDX-License-Identifier: MIT
"""Workflows for GitHub and GitLab that build, run, sign and release a project's images.

The templates lie beside this module. What they use is pinned: actions by their commits, uv to the version that made
the workflow, and Python to a version whose builds that uv knows.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from itertools import chain
from string import Template
from typing import TYPE_CHECKING

from hatchling.metadata.core import BuildMetadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from uv import find_uv_bin

from hatch_appimage import PASSPHRASE
from hatch_appimage.errors import AppImageError
from hatch_appimage.process import run
from hatch_appimage.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_appimage.builder import AppImageBuilder
    from hatch_appimage.image.updates import UpdateInformation
    from hatch_appimage.options import Settings

# Where CI gives the key itself; the passphrase's variable is the one that the build reads.
SIGNING_KEY = "HATCH_APPIMAGE_SIGN_KEY"

# The architectures that both forges have machines of, with what they call them.
_GITHUB_RUNNERS = {"x86_64": "ubuntu-24.04", "aarch64": "ubuntu-24.04-arm"}
_GITLAB_RUNNERS = {"x86_64": "saas-linux-small-amd64", "aarch64": "saas-linux-small-arm64"}
_HATCH = "hatch@1.18.2"
# It does what attest-build-provenance and attest-sbom did, of which the latter is no longer maintained.
_ATTEST = "actions/attest@1e69f48acb82d1966a394da916b4c1698aa569d6 # v4.2.2"
_RENAME = 'if [ ! -e "dist/$ZSYNC" ]; then cp dist/*.AppImage.zsync "dist/$ZSYNC"; fi'
# An action by its repository and a commit, a tag or a branch of it.
_ACTION = re.compile(r"[\w.-]+/[\w.-]+@[\w./-]+")
_HOOKS_OF_HATCHLING = frozenset({"custom", "version"})
# What both https://docs.gitlab.com/user/packages/generic_packages/ and the `direct_asset_path` of
# https://docs.gitlab.com/api/releases/links/ take.
_GITLAB_FILE_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class WorkflowPlan:
    """What a workflow has to do.

    Attributes:
        project: the project's name.
        file_name: the first part of the images' names.
        architectures: to build for.
        hatch: the project is built by hatch; otherwise by ``hatch-appimage build``.
        uv: its version.
        python: the version that runs the build, and is bundled where the project asks for no other.
        full_history: the version may come from tags.
        test_command: for the shell, in which ``$appimage`` is the image.
        sign: the build signs.
        channel: the tag of the one release in which update tools look, where it is always the same.
        zsync_names: by architecture, the name by which update tools fetch the ``.zsync`` file, where it is always the
            same.
        needed: what hatch installs for the build beside this plugin, and `hatch-appimage build` does not.

    """

    project: str
    file_name: str
    architectures: tuple[str, ...]
    hatch: bool
    uv: str
    python: str
    full_history: bool
    test_command: str
    sign: bool
    channel: str | None
    zsync_names: Mapping[str, str]
    needed: tuple[str, ...] = ()

    @classmethod
    def make(cls, builder: AppImageBuilder) -> WorkflowPlan:
        """Plan the workflow of the project that a builder is for.

        Raises:
            AppImageError: its table is wrong, or its images could not be tried or published.
            TypeError: hatchling finds something wrong with what it reads itself.
            ValueError: hatchling finds something wrong with what it reads itself.

        """
        project, settings = builder.project, builder.read_settings()
        file = project.root / "pyproject.toml"
        document = read_toml(file) if file.is_file() else {}
        versions = builder.config.versions if "versions" in builder.target_config else list(_GITHUB_RUNNERS)
        architectures = tuple(name for name in _GITHUB_RUNNERS if name in versions)
        if not architectures:
            raise AppImageError(
                f"CI has machines for {' and '.join(_GITHUB_RUNNERS)} only, and `versions` has neither: "
                f"{', '.join(versions)}"
            )
        updates = settings.release.update_information
        return cls(
            project=project.name,
            file_name=settings.image.name.in_files,
            architectures=architectures,
            hatch=_is_built_by_hatch(
                BuildMetadata(str(project.root), document.get("build-system", {})), builder.config.dependencies
            ),
            uv=version("uv"),
            python=choose_python(project.requires_python),
            full_history="version" not in document.get("project", {}),
            test_command=_test_command(settings),
            sign=settings.release.sign,
            channel=updates.channel if updates else None,
            zsync_names=_zsync_names(updates, architectures),
            needed=_needed(builder),
        )

    @property
    def build(self) -> str:
        """The command that builds one image."""
        uvx = f"uvx --managed-python --python {self.python}"
        if self.hatch:
            # By itself hatch takes any Python that it finds of the same minor version.
            return f'HATCH_PYTHON=self {uvx} {_HATCH} build -t "appimage:$ARCHITECTURE" dist'
        return f'{uvx} hatch-appimage@{version("hatch-appimage")} build --arch "$ARCHITECTURE" --output dist .'


def write_github_workflow(plan: WorkflowPlan, action: str | None = None) -> str:
    """Return a workflow for GitHub Actions, to be kept in ``.github/workflows``.

    Args:
        plan: what it has to do.
        action: our action, as ``uses`` names it, which is to build and run the images; None for steps of its own.

    Raises:
        AppImageError: the action cannot build these images.

    """
    if action:
        _check_action(plan, action)
    matrix = []
    for name in plan.architectures:
        matrix += [f"- architecture: {name}", f"  runner: {_GITHUB_RUNNERS[name]}"]
        if plan.zsync_names:
            matrix.append(f"  zsync: {_literal(plan.zsync_names[name])}")
    return _fill(
        "github.yml",
        {
            "project": plan.project,
            "setup": _setup(plan, "The environment `appimage` of the repository needs the secrets", ""),
            "matrix": _lines(10, *matrix),
            "signing_environment": _lines(4, "environment: appimage") if plan.sign else None,
            "test_command": None
            if action
            else _lines(
                6,
                "# The shell replaces $appimage by the path of the image.",
                f"TEST_COMMAND: {_literal(plan.test_command)}",
            ),
            "full_history": _lines(10, "fetch-depth: 0 # the version may come from tags")
            if plan.full_history
            else None,
            "steps": _action_steps(plan, action) if action else _own_steps(plan),
            "attest": _ATTEST,
            "attest_sboms": _lines(6, *chain.from_iterable(_attest_sbom(plan, name) for name in plan.architectures)),
            "channel": _lines(6, *_channel_step(plan.channel, plan.file_name)) if plan.channel else None,
        },
    )


def _check_action(plan: WorkflowPlan, action: str) -> None:
    if not _ACTION.fullmatch(action):
        raise AppImageError(f"`--action` takes OWNER/NAME@COMMIT, not `{action}`")
    if plan.sign:
        raise AppImageError("The action signs nothing, and the table has `sign`: leave `--action` out")
    if plan.hatch and plan.needed:
        raise AppImageError(
            f"The build needs {', '.join(plan.needed)}, which hatch installs and the action does not: leave `--action` "
            "out"
        )


def _own_steps(plan: WorkflowPlan) -> str:
    """Return the steps of a workflow that stands alone, up to the image that has been run."""
    return _fill(
        "github_steps.yml",
        {
            "uv": plan.uv,
            "import_key": _lines(
                6,
                "- name: Import the signing key",
                "  env:",
                f"    SIGNING_KEY: ${{{{ secrets.{SIGNING_KEY} }}}}",
                '  run: gpg --batch --import <<< "$SIGNING_KEY"',
            )
            if plan.sign
            else None,
            "build": plan.build,
            "passphrase": _lines(8, "env:", f"  {PASSPHRASE}: ${{{{ secrets.{PASSPHRASE} }}}}") if plan.sign else None,
            "rename": _rename_step(plan),
        },
    ).rstrip("\n")


def _action_steps(plan: WorkflowPlan, action: str) -> str:
    """Return the steps of a workflow that has our action do these."""
    return _fill(
        "github_action.yml",
        {
            "action": action,
            "python": plan.python,
            "test_command": _literal(plan.test_command),
            "rename": _rename_step(plan),
        },
    ).rstrip("\n")


def _rename_step(plan: WorkflowPlan) -> str | None:
    if not plan.zsync_names:
        return None
    return _lines(
        6,
        "- name: Name the .zsync file as images look for it",
        "  env:",
        "    ZSYNC: ${{ matrix.zsync }}",
        f"  run: {_RENAME}",
    )


def write_gitlab_pipeline(plan: WorkflowPlan) -> str:
    """Return a pipeline for GitLab CI/CD, to be kept as ``.gitlab-ci.yml`` or included there.

    Raises:
        AppImageError: GitLab cannot publish what the build makes.

    """
    for name in plan.zsync_names.values():
        if not _GITLAB_FILE_NAME.fullmatch(name):
            raise AppImageError(
                f"GitLab's releases take no file named like `{name}`, only letters, digits and `._-`: change the "
                "address in `update-information`"
            )
    if plan.channel:
        raise AppImageError(
            f"Images look for updates in the release `{plan.channel}`, and this pipeline makes a release for each "
            "version: set `update-information` to where the newest of them is"
        )
    matrix = []
    for name in plan.architectures:
        matrix += [f"- ARCHITECTURE: {name}", f"  RUNNER: {_GITLAB_RUNNERS[name]}"]
        if plan.zsync_names:
            matrix.append(f"  ZSYNC: {plan.zsync_names[name]}")
    return _fill(
        "gitlab.yml",
        {
            "project": plan.project,
            "package": canonicalize_name(plan.project),
            "setup": _setup(plan, "The project needs the protected CI/CD variables", " (of type file)"),
            "matrix": _lines(6, *matrix),
            "full_history": _lines(4, "GIT_DEPTH: 0 # the version may come from tags") if plan.full_history else None,
            "uv": plan.uv,
            "test_command": json.dumps(plan.test_command, ensure_ascii=False),
            "import_key": _lines(4, f'- gpg --batch --import "${SIGNING_KEY}"') if plan.sign else None,
            "build": plan.build,
            "rename": _lines(4, f"- {_RENAME}") if plan.zsync_names else None,
        },
    )


def choose_python(requires_python: str) -> str:
    """Return the version of Python that builds: the newest whose minor version has been out for a year or so.

    Of the newest one not every package has wheels yet. Only versions count whose builds uv can download for all
    architectures of the workflows.

    Args:
        requires_python: of the project, possibly empty.

    Raises:
        AppImageError: there is none.

    """
    command = [find_uv_bin(), "--no-config", "python", "list", "--only-downloads", "--all-versions", "--all-arches"]
    listed = json.loads(run([*command, "--output-format", "json", "cpython"], doing="list Python's versions"))
    specifiers = SpecifierSet(requires_python)
    builds: dict[Version, set[str]] = {}
    for build in listed:
        if (build["os"], build["libc"], build["variant"]) == ("linux", "gnu", "default"):
            builds.setdefault(Version(build["version"]), set()).add(build["arch"])
    known = [found for found in builds if not found.is_prerelease and builds[found] >= set(_GITHUB_RUNNERS)]
    suitable = [found for found in known if specifiers.contains(found)]
    if not suitable:
        raise AppImageError(f"uv has no Python that meets `requires-python`, which is `{requires_python}`")
    newest = max(known).release[:2]
    return str(max([found for found in suitable if found.release[:2] != newest] or suitable))


def _is_built_by_hatch(build_system: BuildMetadata, dependencies: Iterable[str]) -> bool:
    """Say whether ``hatch build`` finds this plugin: it looks at the target and at what the back end requires."""
    requirements = [*build_system.requires_complex, *map(Requirement, dependencies)]
    names = {canonicalize_name(requirement.name) for requirement in requirements}
    return build_system.build_backend == "hatchling.build" and "hatch-appimage" in names


def _needed(builder: AppImageBuilder) -> tuple[str, ...]:
    """Return the names of what builds with hatch have installed beside this plugin, and of further plugins."""
    required = {canonicalize_name(Requirement(text).name) for text in builder.config.dependencies}
    hooks = {f"the hook `{name}`" for name in builder.config.hook_config if name not in _HOOKS_OF_HATCHLING}
    return tuple(sorted((required - {"hatch-appimage"}) | hooks))


def _test_command(settings: Settings) -> str:
    if settings.image.test_command:
        return settings.image.test_command.replace("{appimage}", '"$appimage"')
    if settings.launcher.entry_point.gui:
        raise AppImageError(
            "CI runs the image, and a GUI script may open a window whatever its arguments are: set `test-command`"
        )
    return '"$appimage" --help'


def _zsync_names(updates: UpdateInformation | None, architectures: Iterable[str]) -> dict[str, str]:
    names = {name: updates.zsync_name(name) for name in architectures} if updates else {}
    found = {architecture: name for architecture, name in names.items() if name}
    if len(set(found.values())) < len(found):
        raise AppImageError(
            "The images of all architectures would look for updates in the same file: write {arch} into "
            "`update-information` where its address has the architecture"
        )
    return found


def _setup(plan: WorkflowPlan, where: str, kind: str) -> str | None:
    if not plan.sign:
        return None
    return (
        f"#\n# {where} {SIGNING_KEY}{kind}, made by\n# `gpg --armor --export-secret-keys KEY`, and, if that key has "
        f"a passphrase, {PASSPHRASE}."
    )


def _attest_sbom(plan: WorkflowPlan, architecture: str) -> list[str]:
    return [
        f"- uses: {_ATTEST}",
        "  with:",
        f'    subject-path: "dist/*-{architecture}.AppImage"',
        f"    sbom-path: dist/{plan.project}-{architecture}.cdx.json",
    ]


def _channel_step(channel: str, file_name: str) -> list[str]:
    return f"""\
- name: Put the images where installed ones look for updates
  env:
    CHANNEL: {_literal(channel)}
    APPLICATION: {file_name}
  run: |
    if gh release view "$CHANNEL" > /dev/null; then
      gh release upload "$CHANNEL" dist/* --clobber
      # Update tools would find the images before these by the same pattern; what is of another application stays.
      gh release view "$CHANNEL" --json assets --jq '.assets[].name' | while read -r name; do
        if [[ $name == "$APPLICATION"-[0-9]* && ! -e dist/$name ]]; then
          gh release delete-asset "$CHANNEL" "$name" --yes
        fi
      done
    else
      gh release create "$CHANNEL" dist/* --target "$GITHUB_SHA" --latest=false --notes "The newest version"
    fi""".splitlines()


class _Template(Template):
    """A text in which ``%{name}`` stands for a value: ``$`` is the shell's."""

    delimiter = "%"


def _fill(template: str, values: Mapping[str, str | None]) -> str:
    """Fill in a template; a line that stands for nothing is left out."""
    text = files(__package__).joinpath(template).read_text(encoding="utf-8")
    absent = {f"%{{{name}}}" for name, value in values.items() if value is None}
    kept = [line for line in text.splitlines(keepends=True) if line.strip() not in absent]
    return _Template("".join(kept)).substitute({name: value for name, value in values.items() if value is not None})


def _lines(indentation: int, *lines: str) -> str:
    return "\n".join(" " * indentation + line for line in lines)


def _literal(value: str) -> str:
    """Write a string as YAML in which GitHub finds no expression to evaluate."""
    return json.dumps(value, ensure_ascii=False).replace("${{", "${{ '${{' }}")
