"""Compiles the extension module with the machine's C compiler."""

import subprocess
import sysconfig
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileHook(BuildHookInterface):
    def initialize(self, version, build_data):
        source = Path(self.root, "src", "native_ext", "_yaml.c")
        module = Path(self.directory, "_yaml" + sysconfig.get_config_var("EXT_SUFFIX"))
        module.parent.mkdir(parents=True, exist_ok=True)
        include = "-I" + sysconfig.get_path("include")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", include, source, "-lyaml", "-o", module], check=True)
        build_data["force_include"][str(module)] = "native_ext/" + module.name
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
