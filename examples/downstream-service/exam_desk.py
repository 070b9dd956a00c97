"""A service that moves exam appointments, and tells its callers the truth about what happened.

    uvicorn --factory exam_desk:serve --timeout-graceful-shutdown 65

Settings: SMARTERPROCTORING_TOKEN (or _TOKEN_FILE), SMARTERPROCTORING_BASE_URL, EXAM_DESK_INSTALL_SID, and
EXAM_DESK_SECRET, which callers send as `Authorization: Bearer …`. It does not start without them.
"""

import hmac
import math
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime, BaseModel, Field
from smarterproctoring import (
    APITimeoutError,
    AsyncSmarterProctoring,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    SmarterProctoringError,
    UnprocessableEntityError,
    ValidationError,
)
from smarterproctoring.otel import OpenTelemetry


class Appointment(BaseModel):
    """When the exam is to take place."""

    start: AwareDatetime
    end: AwareDatetime


class Moved(BaseModel):
    """The appointment was moved."""

    session: str
    attempts: Annotated[int, Field(description="How many tries it took; more than one may have left audit records.")]


MAY_BE_MOVED = "urn:exam-desk:may-be-moved"


class Health(BaseModel):
    """The service answers requests."""

    status: Literal["ok"] = "ok"


class Problem(BaseModel):
    """What went wrong (RFC 9457), and whether the appointment may have been moved anyway."""

    type: Annotated[str, Field(description=f"{MAY_BE_MOVED} where the appointment may have been moved anyway.")]
    title: str
    status: int
    detail: str
    mayBeApplied: bool  # noqa: N815 - JSON's way of writing names
    whatToDo: str  # noqa: N815
    readBack: Annotated[  # noqa: N815
        Literal["different", "unknown"] | None,
        Field(description="What the session showed when it was read after the last attempt; null if it was not read."),
    ] = None
    requestId: Annotated[str | None, Field(description="For the vendor's support.")] = None  # noqa: N815


SHORTEST_SECRET = 16  # characters


class SettingsError(Exception):
    """A setting is missing or not fit; the text names its variable, and never shows a secret."""


class NotAuthenticatedError(Exception):
    """The caller did not send this service's secret."""


def setting(name: str) -> str:
    """Read a setting from the environment.

    Raises:
        SettingsError: It is not set.
    """
    value = os.environ.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def read_secret() -> bytes:
    """Read what callers have to send.

    Raises:
        SettingsError: It is not set, or too short to be a secret.
    """
    secret = setting("EXAM_DESK_SECRET")
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(f"EXAM_DESK_SECRET has fewer than {SHORTEST_SECRET} characters. Use: openssl rand -hex 32")
    return secret.encode()


def serve() -> FastAPI:
    """Make the application for uvicorn; end the process with one line where a setting is wrong."""
    try:
        return create_app()
    except (SettingsError, ConfigurationError) as error:
        sys.exit(f"exam desk does not start: {error}")


def traced_client() -> AsyncSmarterProctoring:
    """Make the client from the environment; each of its calls is a span in the service's traces."""
    return AsyncSmarterProctoring.from_env(on_call=OpenTelemetry())


def create_app(make_client: Callable[[], AsyncSmarterProctoring] = traced_client) -> FastAPI:
    """Make the application; its client lives exactly as long as it does.

    Raises:
        SettingsError: A setting of this service is missing.
        ConfigurationError: One of the client is.
    """
    secret = read_secret()
    install = setting("EXAM_DESK_INSTALL_SID")
    connected = make_client()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Any]]:
        async with connected as client:
            yield {"client": client, "install": install}

    # Says in the service's own description how to authenticate; the check itself is below.
    scheme = HTTPBearer(auto_error=False)

    def authenticate(given: Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)]) -> None:
        sent = given.credentials.encode() if given else b""
        if not hmac.compare_digest(sent, secret):  # takes as long for a nearly right secret as for a wrong one
            raise NotAuthenticatedError

    app = FastAPI(title="Exam desk", lifespan=lifespan)
    desk_routes = APIRouter(dependencies=[Depends(authenticate)])
    app.add_exception_handler(NotAuthenticatedError, answer_unauthenticated)
    app.add_exception_handler(SmarterProctoringError, answer_error)
    app.add_exception_handler(RequestValidationError, answer_unreadable)

    @app.get("/health")
    async def health() -> Health:
        """Tell that the service runs. It asks nobody else: a restart here would not help the exam service."""
        return Health()

    @desk_routes.put(
        "/exams/{exam}/sessions/{session}/appointment", responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}}
    )
    async def move_appointment(
        exam: str, session: str, appointment: Appointment, desk: Annotated[Desk, Depends(Desk)]
    ) -> Moved:
        """Move a session. 200 means that it is moved; every error says whether it may be."""
        result = await desk.client.reschedule(
            desk.install,
            exam,
            session,
            appointment_start_date_time=appointment.start,
            appointment_end_date_time=appointment.end,
        )
        return Moved(session=session, attempts=result.attempts)

    app.include_router(desk_routes)
    return app


class Desk:
    """What the lifespan made, with its types."""

    def __init__(self, request: Request) -> None:
        self.client = cast("AsyncSmarterProctoring", request.state.client)
        self.install = cast("str", request.state.install)


async def answer_unauthenticated(_: Request, _error: Exception) -> JSONResponse:
    """Refuse a caller who did not send the secret, before anything of the request is looked at."""
    status = HTTPStatus.UNAUTHORIZED
    what_to_do = "Send the secret of this service: Authorization: Bearer …"
    title = "This service does not know the caller"
    answer = respond(not_moved(status, title, title, what_to_do))
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


async def answer_error(_: Request, error: Exception) -> JSONResponse:
    """Turn an error of the client into a problem of this service."""
    if not isinstance(error, SmarterProctoringError):
        raise error
    status, title, what_to_do = judge(error)
    detail = "; ".join(map(str, error.problems)) if isinstance(error, ValidationError) else title
    problem = not_moved(status, title, detail, what_to_do)
    if error.maybe_applied:
        seen = error.check.verdict if error.check else None
        read_back = None if seen == "as_asked" else seen
        problem = problem.model_copy(update={"type": MAY_BE_MOVED, "mayBeApplied": True, "readBack": read_back})
    answer = respond(problem.model_copy(update={"requestId": error.request_id}))
    if error.retry_after is not None and not error.maybe_applied:
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after))
    return answer


async def answer_unreadable(_: Request, error: Exception) -> JSONResponse:
    """Tell a caller what is wrong with a request that never reached the client."""
    problems: list[Any] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    detail = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
    status, title, what_to_do = judge(ValidationError(detail))
    return respond(not_moved(status, title, detail, what_to_do))


def not_moved(status: HTTPStatus, title: str, detail: str, what_to_do: str) -> Problem:
    """Make the problem of a request after which nothing was moved."""
    return Problem(
        type="about:blank", title=title, status=status, detail=detail, mayBeApplied=False, whatToDo=what_to_do
    )


def respond(problem: Problem) -> JSONResponse:
    """Send a problem as RFC 9457 has it."""
    return JSONResponse(problem.model_dump(), problem.status, media_type="application/problem+json")


Kinds = type[SmarterProctoringError] | tuple[type[SmarterProctoringError], ...]
NOT_MOVED: tuple[tuple[Kinds, HTTPStatus, str, str], ...] = (
    (
        (ValidationError, BadRequestError, UnprocessableEntityError),
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The appointment cannot be as asked for",
        "Change the request",
    ),
    (NotFoundError, HTTPStatus.NOT_FOUND, "There is no such exam session", "Check the exam and the session"),
    (ConflictError, HTTPStatus.CONFLICT, "The session cannot be moved as it is now", "Look at the session"),
    (
        # The caller can do nothing about this service's own token, and should learn nothing about it.
        (ConfigurationError, AuthenticationError, PermissionDeniedError),
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "This service is not set up correctly",
        "Tell its operators",
    ),
    (
        SmarterProctoringError,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The exam service is busy or out of reach; nothing was moved",
        "Send the same request again later",
    ),
)
"""For errors after which nothing was moved, the first that fits: the status here, the title, what to do."""


def judge(error: SmarterProctoringError) -> tuple[HTTPStatus, str, str]:
    """Say an error's status here, what it means, and what the caller should do.

    Whether the appointment may have been moved comes before the reason why the last attempt failed.
    """
    if error.maybe_applied:
        return (
            HTTPStatus.GATEWAY_TIMEOUT if isinstance(error, APITimeoutError) else HTTPStatus.BAD_GATEWAY,
            "The appointment may or may not have been moved",
            "Look at the session before anything else. If it was not moved, send the same request again; "
            "sending it twice leads to the same appointment, but may leave two audit records",
        )
    return next((status, title, to_do) for kind, status, title, to_do in NOT_MOVED if isinstance(error, kind))
