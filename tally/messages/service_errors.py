"""What a service refuses, under its own code and in its own words."""

from tally.messages.languages import Language
from tally.messages.message import SENTENCES, Message
from tally.rpc.errors import TallyError, code_of, status_of

_CODES = {code for code, said in SENTENCES[Language.ENGLISH].items() if said == "{explanation}"}


def quote_service(error: TallyError, explanation: str | None = None) -> Message:
    """The `explanation` in English is what the service says, if left out.

    A code that is unknown here, of another release, gives way to that of its status.
    """
    codes = (code_of(error), status_of(error).name.lower(), "in_english")
    code = next(code for code in codes if code in _CODES)
    return Message(code, explanation=explanation or str(error))
