"""``.nemo`` archives on the first Pythons 3.11, Debian 12's among them, whose tarfile knows no filters yet.

NeMo asks for one. What it checks itself, before it unpacks a member, is all that the filter would have to say about
regular files: no absolute paths, none that lead out of the folder, no links.
"""

import os
import tarfile
from collections.abc import Sequence

from nemo.core.connectors.save_restore_connector import SaveRestoreConnector
from nemo.utils.tar_utils import is_safe_tar_member

NEEDED = not hasattr(tarfile, "data_filter")
"""Whether this Python is one of them."""


class Unpacking(SaveRestoreConnector):  # type: ignore[misc]  # NeMo is not there where types are checked
    """Unpacks without filters."""

    @staticmethod
    def _unpack_nemo_file(
        path2file: str,
        out_folder: str,
        members: Sequence[tarfile.TarInfo] | None = None,
    ) -> str:
        inside = os.path.realpath(out_folder)
        with SaveRestoreConnector._tar_open(path2file) as archive:
            for member in archive.getmembers() if members is None else members:
                plain = member.isreg() or member.isdir()
                if plain and is_safe_tar_member(member, inside):
                    archive.extract(member, inside)
        return out_folder
