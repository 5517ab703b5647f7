"""The language that a client reads, by the headers of its request."""

from starlette.datastructures import Headers

from gateway.messages.languages import Language, choose_language


def language_of(headers: Headers) -> Language:
    return choose_language(",".join(headers.getlist("accept-language")))
