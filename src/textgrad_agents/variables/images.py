"""Images as values: their bytes. What kind they are, and how to get them from an address."""

from __future__ import annotations

from urllib.parse import urlsplit

from textgrad_agents.errors import ConfigError, FileFormatError

MAX_BYTES = 20_000_000
TIMEOUT = 30.0

_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


def media_type(image: bytes) -> str:
    """Media type of an image, by its first bytes.

    Raises:
        FileFormatError: it is neither PNG, JPEG, GIF nor WebP.
    """
    for signature, name in _SIGNATURES:
        if image.startswith(signature):
            return name
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    raise FileFormatError(
        f"an image must be PNG, JPEG, GIF or WebP; these {len(image)} bytes begin with {image[:8]!r}; "
        "convert the image, or pass text as str"
    )


def fetch_image(url: str, *, max_bytes: int = MAX_BYTES, timeout: float = TIMEOUT) -> bytes:
    """Bytes of the image at an address. Variables never go to the network by themselves; this is how to ask for it.

    Raises:
        ConfigError: the address is not http(s).
        FileFormatError: what is there is larger than `max_bytes` or no image.
        OSError: the address cannot be read.
    """
    from urllib.request import Request, urlopen

    if urlsplit(url).scheme not in ("http", "https"):
        raise ConfigError(f"images are fetched from http(s) addresses only, got {url!r}; read a file with image_path=…")
    with urlopen(Request(url, headers={"User-Agent": "textgrad-agents"}), timeout=timeout) as response:
        image: bytes = response.read(max_bytes + 1)
    if len(image) > max_bytes:
        raise FileFormatError(f"the image at {url} has more than {max_bytes} bytes; pass a larger max_bytes or a file")
    media_type(image)
    return image
