"""A picture, made here: four red dots."""

import base64
import struct
import zlib
from typing import Any


def png(width: int, height: int, rgb: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + rgb * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PICTURE = png(2, 2, b"\xff\x00\x00")
URL = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"


def seen_picture(api: str) -> list[Any]:
    """The turn in which a user showed it, in OpenAI's two protocols."""
    image = (
        {"type": "image_url", "image_url": {"url": URL}} if api == "chat" else {"type": "input_image", "image_url": URL}
    )
    text = {"type": "text" if api == "chat" else "input_text", "text": "Look."}
    return [{"role": "user", "content": [text, image]}, {"role": "assistant", "content": "I see."}]
