"""The OpenAI API, as far as it is offered: for programs that know nothing of Tally."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse

from gateway.chat.chat_models import ChatCompletion, ChatRequest, Model, Models
from gateway.chat.chunks import to_chunks
from gateway.routes.dependencies import CallerDep, ServicesDep
from gateway.routes.responses import refusal

router = APIRouter(prefix="/v1", tags=["predictions"])
_NO_SUCH_MODEL = refusal(404, "There is no such job or model.")
ModelName = Annotated[
    str,
    Path(
        description="A base model, a job_id, or a job_id with `:best` after it.",
        examples=["Qwen/Qwen2.5-VL-3B-Instruct"],
    ),
]


@router.post(
    "/chat/completions",
    summary="Chat, as the OpenAI API has it",
    response_model=ChatCompletion,
    responses={
        200: {
            "description": "What the model says; with `stream`, server-sent events.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **_NO_SUCH_MODEL,
        **refusal(409, "The job has no adapter yet."),
        **refusal(413, "The picture is too large."),
    },
)
async def complete_chat(
    body: ChatRequest, services: ServicesDep, caller: CallerDep
) -> ChatCompletion | StreamingResponse:
    """What the base model, or a job's adapter, says next in a conversation about one picture."""
    completion = await services.chats.complete(body, caller)
    if not body.stream:
        return completion
    options = body.stream_options
    chunks = to_chunks(completion, with_usage=bool(options and options.include_usage))
    return StreamingResponse(chunks, media_type="text/event-stream")


@router.get("/models", summary="What can be chatted with, as the OpenAI API lists it")
async def list_models(services: ServicesDep, caller: CallerDep) -> Models:
    """The base models, and the adapters of your jobs that have completed."""
    return await services.chats.models(caller)


@router.get("/models/{model:path}", summary="One of them", responses=_NO_SUCH_MODEL)
async def get_model(model: ModelName, services: ServicesDep, caller: CallerDep) -> Model:
    """A base model, or a job that has an adapter, or will."""
    return await services.chats.model(model, caller)
