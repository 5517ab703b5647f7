"""The endpoints of this service, as its first page lists them."""

from collections.abc import Iterable

from fastapi import APIRouter
from fastapi.routing import APIRoute


def list_endpoints(routers: Iterable[APIRouter]) -> dict[str, str]:
    """Every endpoint that has a summary: `GET /jobs` and what it is for."""
    return {
        f"{method} {route.path}": route.summary
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and route.summary
        for method in sorted(route.methods)
    }
