"""Archives that files of the shelf are taken from: read in place, never unpacked to the disk."""

from __future__ import annotations

import zipfile
from pathlib import Path

from modelctl.checkpoint import tensorflow_to_safetensors
from modelctl.errors import IntegrityFailure
from modelctl.model import Member


def take(archive: Path, member: Member) -> bytes:
    """Return the bytes of one member, converted where the manifest says so.

    Raises IntegrityFailure where the archive cannot be read or has no such member.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            if member.convert is None:
                return opened.read(member.member)
            index = opened.read(f"{member.member}.index")
            return tensorflow_to_safetensors(index, opened.read(f"{member.member}.data-00000-of-00001"))
    except KeyError as error:
        raise IntegrityFailure(f"{archive.name}: {error.args[0]}", hint="the source holds something else") from error
    except zipfile.BadZipFile as error:
        raise IntegrityFailure(f"{archive.name} is no zip archive: {error}", hint="fetch again") from error
