"""Media types by the name of a file: the same on every machine and every Python.

Facts
- What the operating system says of types (`/etc/mime.types`, the registry of Windows) is not asked: a `.js` that one
  machine serves as text/plain runs nowhere. What is not in the table here is looked up in the one inside Python.
- Text says its charset; JavaScript too, as `<script>` would take the page's. JSON has no parameter (RFC 8259 11).
- A packed file is what it is, `application/gzip`: whoever unpacks it on the way says so by a content coding.
"""

from __future__ import annotations

_TYPES = {
    "7z": "application/x-7z-compressed", "aac": "audio/aac", "apng": "image/apng", "atom": "application/atom+xml",
    "avi": "video/x-msvideo", "avif": "image/avif", "bin": "application/octet-stream", "bmp": "image/bmp",
    "br": "application/octet-stream", "bz2": "application/x-bzip2", "cjs": "text/javascript", "css": "text/css",
    "csv": "text/csv", "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "eot": "application/vnd.ms-fontobject", "epub": "application/epub+zip", "exe": "application/octet-stream",
    "flac": "audio/flac", "geojson": "application/geo+json", "gif": "image/gif", "gz": "application/gzip",
    "heic": "image/heic", "htm": "text/html", "html": "text/html", "ico": "image/vnd.microsoft.icon",
    "ics": "text/calendar", "jpeg": "image/jpeg", "jpg": "image/jpeg", "js": "text/javascript",
    "json": "application/json", "jsonl": "application/jsonl", "jsonld": "application/ld+json", "jxl": "image/jxl",
    "log": "text/plain", "m3u8": "application/vnd.apple.mpegurl", "m4a": "audio/mp4", "map": "application/json",
    "md": "text/markdown", "mjs": "text/javascript", "mkv": "video/x-matroska", "mov": "video/quicktime",
    "mp3": "audio/mpeg", "mp4": "video/mp4", "mpd": "application/dash+xml", "mpeg": "video/mpeg",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet", "odt": "application/vnd.oasis.opendocument.text",
    "oga": "audio/ogg", "ogg": "audio/ogg", "ogv": "video/ogg", "opus": "audio/ogg", "otf": "font/otf",
    "parquet": "application/vnd.apache.parquet", "pdf": "application/pdf", "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "py": "text/x-python", "rar": "application/vnd.rar", "rss": "application/rss+xml", "rtf": "application/rtf",
    "sh": "application/x-sh", "sql": "application/sql", "sqlite": "application/vnd.sqlite3",
    "svg": "image/svg+xml", "tar": "application/x-tar", "tgz": "application/gzip", "tif": "image/tiff",
    "tiff": "image/tiff", "toml": "application/toml", "ts": "video/mp2t", "tsv": "text/tab-separated-values",
    "ttf": "font/ttf", "txt": "text/plain", "vcf": "text/vcard", "vtt": "text/vtt", "wasm": "application/wasm",
    "wav": "audio/wav", "weba": "audio/webm", "webm": "video/webm", "webmanifest": "application/manifest+json",
    "webp": "image/webp", "woff": "font/woff", "woff2": "font/woff2", "xhtml": "application/xhtml+xml",
    "xls": "application/vnd.ms-excel", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml", "xz": "application/x-xz", "yaml": "application/yaml", "yml": "application/yaml",
    "zip": "application/zip", "zst": "application/zstd",
}  # fmt: skip
"""Extension in lower case -> media type. See: the IANA registry; RFC 9239 for JavaScript."""

UNKNOWN = "application/octet-stream"


def media_type_of(name: str) -> str:
    """Give the Content-Type of a file by the extension of its name; "application/octet-stream" for what is unknown."""
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem:
        return UNKNOWN
    extension = extension.lower()
    media_type = _TYPES[extension] if extension in _TYPES else _look_up(extension)
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _look_up(extension: str) -> str:
    """Ask the table inside Python for what is seldom served."""
    from mimetypes import MimeTypes  # an instance knows the built-in table alone

    if "table" not in _built_in:
        _built_in["table"] = MimeTypes().types_map[1]
    return _built_in["table"].get("." + extension, UNKNOWN)


_built_in: dict[str, dict[str, str]] = {}
