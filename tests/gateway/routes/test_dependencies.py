"""What routes depend on costs a request no thread."""

from collections.abc import Iterator
from inspect import iscoroutinefunction

from fastapi.dependencies.models import Dependant

from gateway.app import create_app
from gateway.settings import GatewaySettings


def test_no_handler_and_no_dependency_takes_a_thread(tmp_path):
    app = create_app(GatewaySettings(data_dir=tmp_path))
    calls = {call for route in app.state.routes for call in _calls(route.dependant)}
    names = {call.__name__ for call in calls}
    assert {"_services", "_caller", "_form", "list_jobs"} <= names
    # What reads a file of an installed package is rightly in a thread.
    assert [call.__name__ for call in calls if not iscoroutinefunction(call)] == ["file"]


def _calls(dependant: Dependant) -> Iterator:
    yield dependant.call
    for one in dependant.dependencies:
        yield from _calls(one)
