from httpx2 import ASGITransport, AsyncClient

__all__ = ["ASGITransport", "AsyncClient"]
