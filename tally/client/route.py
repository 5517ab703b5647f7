"""A call as a method: of a client that answers, and of one that is awaited."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

from tally.client.call import Call

P = ParamSpec("P")
T = TypeVar("T")


class Answering(ABC):
    @abstractmethod
    def send(self, call: Call[T]) -> T:
        """What the gateway answers; raises GatewayUnreachable or RequestRefused."""


class Awaited(ABC):
    @abstractmethod
    async def send(self, call: Call[T]) -> T:
        """What the gateway answers; raises GatewayUnreachable or RequestRefused."""


class Route(Generic[P, T]):
    """States a method once: `job = Route(get_job)` is `client.job(job_id)`, which answers or is
    awaited as the client is."""

    def __init__(self, build: Callable[P, Call[T]]) -> None:
        self.build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: Answering, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Awaited, owner: type) -> Callable[P, Awaitable[T]]: ...

    def __get__(self, client: Answering | Awaited | None, owner: type) -> Any:
        if client is None:
            return self

        @functools.wraps(self.build)
        def send(*arguments: P.args, **options: P.kwargs) -> Any:
            return client.send(self.build(*arguments, **options))

        return send
