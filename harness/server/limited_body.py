"""Read the body of a request within limits of size and time."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

MOST_BYTES = 2**20
MOST_S = 10.0


async def limited_body(request: Request, *, most_bytes: int = MOST_BYTES, most_s: float = MOST_S) -> bytes:
    """Return the body. Raises HTTPException: 413 for a body that is too large, 408 for one that is too slow."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:12]) > most_bytes:
        raise HTTPException(413, f"expected at most {most_bytes} bytes")
    try:
        async with asyncio.timeout(most_s):
            return await _read(request, most_bytes)
    except TimeoutError:
        raise HTTPException(408, f"expected the whole body within {most_s:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the sender hung up") from None


async def _read(request: Request, most_bytes: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most_bytes:
            raise HTTPException(413, f"expected at most {most_bytes} bytes")
        parts.append(part)
    return b"".join(parts)
