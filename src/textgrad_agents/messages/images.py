"""Images as the text that a message carries: base64 behind a ``data:image/…`` prefix."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING, TypeAlias

from textgrad_agents.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    ImageLike: TypeAlias = NDArray[np.uint8] | Image | bytes

_PREFIX = re.compile(r"data:image/[^,]*,")


def encode_image_to_base64(img: ImageLike, format: str | None = None) -> str:
    """An image as a data URL.

    Args:
        img: an array `(height, width, 3)` of uint8, a Pillow image, or the bytes of an image file.
        format: ``PNG``, ``JPEG``, …; None keeps the format of the file.

    Raises:
        ConfigError: Pillow is not installed, the bytes are no image, or an image without a file needs `format`.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ConfigError("images in messages need Pillow; install textgrad-agents[envs]") from None
    if isinstance(img, bytes):
        try:
            image = Image.open(io.BytesIO(img))
        except UnidentifiedImageError:
            raise ConfigError(f"an image must be an image file, not bytes that begin with {img[:12]!r}") from None
    else:
        image = img if isinstance(img, Image.Image) else Image.fromarray(img)
    kind = format or image.format
    if kind is None:
        raise ConfigError("an image that was not read from a file has no format; pass format='PNG'")
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    return f"data:{Image.MIME[kind.upper()]};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def validate_base64_image(image: str) -> str:
    """`image` as it is, if it is base64 with or without a ``data:image/…`` prefix.

    Raises:
        ConfigError: it is not.
    """
    data = "".join(_PREFIX.sub("", image, count=1).split())
    try:
        base64.b64decode(data, validate=True)
    except ValueError:
        raise ConfigError(
            f"Invalid base64 encoded image: {image[:40]!r}; pass the bytes of a file, an array, or base64 text"
        ) from None
    return image
