"""The endpoints of this service, as its first page lists them."""

from collections.abc import Iterable

from fastapi import APIRouter
from fastapi.routing import APIRoute


def list_routes(routers: Iterable[APIRouter]) -> list[APIRoute]:
    routes = (route for router in routers for route in router.routes)
    return [route for route in routes if isinstance(route, APIRoute)]


def list_endpoints(routes: Iterable[APIRoute]) -> dict[str, str]:
    """Every endpoint that has a summary: `GET /jobs` and what it is for."""
    return {
        f"{method} {route.path_format}": route.summary
        for route in routes
        if route.summary
        for method in sorted(route.methods)
    }
