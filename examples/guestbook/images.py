"""Pictures that people send: told by what is in the file, kept under a name of our own.

Neither the file's name nor the type that the client claims is looked at. What is no picture of a kind named here is
refused, SVG among it, which may hold scripts. How they are served stands in `site.py`.
"""

from pathlib import Path
from secrets import token_hex

from ambi import UploadFile

MAX_BYTES = 4 * 1024**2
KINDS = "PNG, JPEG, GIF or WebP"
TYPES = "image/png,image/jpeg,image/gif,image/webp"


def suffix_of(head: bytes) -> str | None:
    """Tell the kind of a picture by its first twelve bytes; None for what is none."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if head.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return ".gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    return None


def fault_of(file: UploadFile) -> str | None:
    """Say why a file is not taken; None where it is."""
    if file.size > MAX_BYTES:
        return f"The picture has {file.size / 1024**2:.1f} MiB; it may have {MAX_BYTES // 1024**2}."
    file.seek(0)
    if suffix_of(file.read(12)) is None:
        return f"This is no picture, or of another kind than {KINDS}."
    return None


class Images:
    """A folder of pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, file: UploadFile) -> str:
        """Write a picture that has no fault to the folder; give its name there, which nobody can guess."""
        file.seek(0)
        name = f"{token_hex(16)}{suffix_of(file.read(12))}"
        file.save_to(self.folder / name)
        return name

    def remove(self, name: str) -> None:
        """Delete a picture."""
        (self.folder / name).unlink(missing_ok=True)
