"""Generate the Python stubs of the contract when the package is built.

Runs as hatchling's build hook, for wheels and for editable installs alike: ``antiphon/v1`` then holds the
messages, the services and their type hints. Nothing in it is committed.
"""

import os
import shutil
import sys
import sysconfig
from importlib.resources import files
from pathlib import Path
from typing import Any

from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _plugin(name: str) -> str:
    """Path of a protoc plugin: beside this interpreter, or wherever an isolated build put it on PATH."""
    places = [
        sysconfig.get_path("scripts"),
        str(Path(sys.executable).parent),
        os.environ.get("PATH", ""),
    ]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise RuntimeError(
            f"{name} was not found: is mypy-protobuf installed beside {sys.executable}?"
        )
    return found


class ProtoBuildHook(BuildHookInterface):
    """Compiles ``protos/antiphon/v1/*.proto`` into ``antiphon/v1``."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the stubs.

        Raises:
            RuntimeError: the compiler refused a file; what it said is on standard error.
        """
        root = Path(self.root)
        sources = sorted(
            str(path) for path in (root / "protos" / "antiphon" / "v1").glob("*.proto")
        )
        arguments = [
            "protoc",
            f"--proto_path={root / 'protos'}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--python_out={root}",
            f"--grpc_python_out={root}",
            f"--plugin=protoc-gen-mypy={_plugin('protoc-gen-mypy')}",
            f"--plugin=protoc-gen-mypy_grpc={_plugin('protoc-gen-mypy_grpc')}",
            f"--mypy_out={root}",
            f"--mypy_grpc_out={root}",
        ]
        if protoc.main([*arguments, *sources]) != 0:
            raise RuntimeError(
                "protoc refused the contract under protos/antiphon/v1; see above for where"
            )
        (root / "antiphon" / "v1" / "__init__.py").write_text(
            '"""The contract, generated from protos/."""\n'
        )
