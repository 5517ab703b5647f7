"""What handlers are given: the services, and a form that is being sent."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.http.receiving import IncomingForm
from gateway.services import Services


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _form(request: Request) -> IncomingForm:
    return IncomingForm(request.headers.get("content-type", ""), request.stream())


ServicesDep = Annotated[Services, Depends(_services)]
FormDep = Annotated[IncomingForm, Depends(_form)]
