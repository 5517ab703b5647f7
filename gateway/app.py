"""The application, built from its settings; nothing is read when this module is imported."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from gateway.http.access import TokenGate
from gateway.http.bodies import BodyLimits
from gateway.http.guard import Guard
from gateway.http.head import HeadAsGet
from gateway.http.http_errors import add_error_handlers
from gateway.http.origins import OriginGate
from gateway.http.request_limits import RequestLimits
from gateway.http.request_log import RequestLog
from gateway.http.request_spans import RequestSpans
from gateway.http.unread_bodies import UnreadBodies
from gateway.metrics import GatewayMetrics
from gateway.page.docs_route import docs_router
from gateway.page.page_route import PREFIX as PAGE_PREFIX
from gateway.page.page_route import page_router
from gateway.routes import (
    batches,
    chat,
    evaluations,
    events,
    files,
    info,
    jobs,
    predict,
    results,
    rewards,
)
from gateway.routes.endpoints import list_endpoints, list_routes
from gateway.routes.responses import Responses, refusal
from gateway.services import open_services
from gateway.settings import GatewaySettings
from tally.rpc.release import installed_release
from tally.traces.spans import is_traced

_DESCRIPTION = """Teaches a vision-language model to count: upload a ZIP of images with questions
and answers, train a LoRA adapter with GRPO, watch it live, download the adapter."""
_REFUSALS: Responses = {
    **refusal(401, "A token is needed, or another one."),
    **refusal(403, "The token's role or owner does not fit, or a page of another site asks."),
    **refusal(422, "The request must change; `errors` says where."),
    **refusal(429, "Too often; the header Retry-After says when again."),
    **refusal(503, "Something behind this server is away; try again."),
}


class _TokenApp(FastAPI):
    """Its OpenAPI document says that a request needs a token, or may: where there is none yet."""

    def openapi(self) -> dict[str, Any]:
        schema = super().openapi()
        schemes = schema.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["token"] = {"type": "http", "scheme": "bearer"}
        needed = self.state.services.access.is_required
        schema["security"] = [{"token": []}] if needed else [{"token": []}, {}]
        return schema


def create_app(settings: GatewaySettings) -> FastAPI:
    metrics = GatewayMetrics(settings.data_dir)
    app = _TokenApp(
        title="Tally",
        description=_DESCRIPTION,
        version=installed_release(fallback="0"),
        lifespan=_lifespan(settings, metrics),
        responses=_REFUSALS,
        # Generated clients name their methods by it.
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    api = (
        info, files, rewards, jobs, results, evaluations, predict, batches, chat, events,
    )  # fmt: skip
    routers = [*(routes.router for routes in api), page_router(), docs_router()]
    for router in routers:
        app.include_router(router)
    app.state.metrics = metrics
    app.state.routes = list_routes(routers)
    app.state.endpoints = list_endpoints(app.state.routes)
    add_error_handlers(app)
    app.add_middleware(HeadAsGet)
    app.add_middleware(RequestLimits, settings=settings)
    app.add_middleware(TokenGate, settings=settings, open_prefix=PAGE_PREFIX)
    app.add_middleware(OriginGate, host_names=settings.host_names)
    app.add_middleware(BodyLimits, settings=settings)
    app.add_middleware(Guard)
    app.add_middleware(UnreadBodies, seconds=settings.unread_body_seconds)
    app.add_middleware(RequestLog, metrics=metrics)
    if is_traced():
        app.add_middleware(RequestSpans)
    return app


def _lifespan(
    settings: GatewaySettings, metrics: GatewayMetrics
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, metrics) as services:
            app.state.services = services
            yield

    return lifespan
