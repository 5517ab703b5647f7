"""What a service behind the gateway refuses, under its own code and in its own words."""

from tally.messages.languages import Language
from tally.messages.message import SENTENCES, Message
from tally.rpc.errors import TallyError, code_of, status_of

_CODES = {code for code, said in SENTENCES[Language.ENGLISH].items() if said == "{explanation}"}


def quote_service(error: TallyError, explanation: str | None = None) -> Message:
    """The `explanation` in English is what the service says, if left out.

    A code that is unknown here, of another release, gives way to that of its status.
    """
    code = code_of(error)
    if code not in _CODES:
        code = status_of(error).name.lower()
    return Message(code, explanation=explanation or str(error))
