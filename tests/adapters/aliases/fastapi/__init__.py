"""As much of FastAPI as a test needs that mounts a router of ours on an application."""

from typing import Any

from starlette.applications import Starlette
from starlette.routing import Router


class APIRouter(Router):
    def __init__(self, **settings: Any) -> None:
        super().__init__()


class FastAPI(Starlette):
    def include_router(self, router: Router, prefix: str) -> None:
        self.mount(prefix, router)


__all__ = ["APIRouter", "FastAPI"]
