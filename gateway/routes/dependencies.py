"""What handlers are given: who asks, the services, a form that is being sent, and of what a path
names only what is the caller's own."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from gateway.access.callers import Caller
from gateway.http.accept_language import about_language, language_of
from gateway.http.receiving import IncomingForm
from gateway.jobs.job_models import Job
from gateway.services import Services
from gateway.uploads.file_models import StoredFile
from tally.logs.fields import add_log_fields
from tally.messages.languages import Language


# They wait for nothing; but one that isn't `async` costs each request a turn in FastAPI's threads.
async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _form(request: Request) -> IncomingForm:
    content_type = request.headers.get("content-type", "")
    return IncomingForm(content_type, request.stream(), language_of(request.headers))


async def _upload(request: Request) -> IncomingForm:
    return (await _form(request))._replace(pace=request.app.state.services.upload_pace)


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _language(request: Request, response: Response) -> Language:
    language = language_of(request.headers)
    response.headers.update(about_language(language))
    return language


ServicesDep = Annotated[Services, Depends(_services)]
FormDep = Annotated[IncomingForm, Depends(_form)]
# Taken in as fast as jobs that train allow.
UploadDep = Annotated[IncomingForm, Depends(_upload)]
CallerDep = Annotated[Caller, Depends(_caller)]
# That of the reader.
LanguageDep = Annotated[Language, Depends(_language)]
FileId = Annotated[
    str,
    Path(
        description="The file_id that POST /upload-data answered.",
        examples=["7d1f0c2e-5a55-4c56-9f4b-1b9d5c1f3a10"],
    ),
]
JobId = Annotated[
    str,
    Path(
        description="The job_id that POST /train answered.",
        examples=["2f6d1c9a-0b0e-4b4e-8a51-0f6b8f1f7c33"],
    ),
]
EvaluationId = Annotated[
    str,
    Path(
        description="The evaluation_id that was answered.",
        examples=["0c5a6c52-4df8-4c08-8b62-54a0d6e4b8ae"],
    ),
]
OfJob = Annotated[str | None, Query(max_length=200, description="Only this job's.")]


async def _file(file_id: FileId, services: ServicesDep, caller: CallerDep) -> StoredFile:
    return await services.files.run(services.files.get_for, caller, file_id)


async def _job(job_id: JobId, services: ServicesDep, caller: CallerDep) -> Job:
    job = await services.jobs.get_for(caller, job_id)
    add_log_fields(job_id=job.job_id)
    return job


async def _evaluation(evaluation_id: EvaluationId, services: ServicesDep, caller: CallerDep) -> Job:
    comparison = await services.evaluations.get_for(caller, evaluation_id)
    add_log_fields(job_id=comparison.job_id)
    return comparison


FileDep = Annotated[StoredFile, Depends(_file)]
JobDep = Annotated[Job, Depends(_job)]
EvaluationDep = Annotated[Job, Depends(_evaluation)]
