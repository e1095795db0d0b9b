"""Turn refusals and errors into responses.

Browsers get an HTML page, programs get problem JSON (RFC 9457).  Both contain the
request id.
"""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from flask import Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException

from gateway.errors import (
    BadFieldsError,
    BucketBusyError,
    CatalogBusyError,
    RefusedError,
)
from gateway.http import content_security
from gateway.http.explanations import (
    BAD_REQUEST,
    BUSY,
    BY_STATUS,
    CARRIED,
    PROBLEMS,
    Explanation,
    explain,
)
from gateway.http.refusal_page import (
    LOGIN_PATH,
    OPEN_PATH,
    has_link_form,
    in_one_line,
)
from gateway.metrics import verdicts
from gateway.web import clients, observation
from gateway.web.api.schemas import FieldFault, Problem
from gateway.web.nginx.headers import REQUEST_ID_HEADER
from gateway.web.nginx.verdicts import VERDICT_HEADER
from gateway.web.outages import BUCKET_OUTAGES, OUTAGES
from gateway.web.pages import page
from gateway.web.path_prefix import prefixed

if TYPE_CHECKING:
    from flask import Flask

    from gateway.links.repair import Repair

#: The reason for the log.  nginx removes the header: clients must not see it.
REASON_HEADER: Final = "X-Gateway-Reason"

#: The headers of a refused subrequest's response (``for_subrequest``).
STATUS_HEADER: Final = "X-Refusal-Status"
BODY_HEADER: Final = "X-Refusal-Body"
#: The refusal's own headers, joined by ``|``, in the order of
#: ``explanations.CARRIED``.
HEADERS_HEADER: Final = "X-Refusal-Headers"

_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
#: Key of the application's ``Repair`` in ``app.extensions``.
_REPAIR: Final = "gateway.repair"


def register(app: Flask, repair: Repair) -> None:
    """Register the handlers that turn errors into responses.

    A request for a link that *repair* recognizes as damaged is redirected to the
    repaired link.
    """
    app.extensions[_REPAIR] = repair
    app.register_error_handler(RefusedError, _refused)
    app.register_error_handler(BadFieldsError, _bad_fields)
    app.register_error_handler(CatalogBusyError, _busy)
    app.register_error_handler(BucketBusyError, _bucket_busy)
    app.register_error_handler(HTTPException, _http_error)


def refusal(error: RefusedError, *, is_for_program: bool) -> Response:
    """Return the response to *error*: problem JSON, or a page for a browser."""
    return _answer(explain(error), error.reason, is_for_program=is_for_program)


def busy(error: CatalogBusyError, *, is_for_program: bool) -> Response:
    """Return the 503 response for a catalog that does not answer, and log the cause."""
    OUTAGES.log(error)
    return _answer(BUSY, "catalog-busy", is_for_program=is_for_program)


def unanswered(*, is_for_program: bool) -> Response:
    """Return the 503 response for a request that can't be judged because of a bug."""
    return _answer(BUSY, "fault", is_for_program=is_for_program)


def for_subrequest(response: Response) -> Response:
    """Return a 403 response that carries *response* in its headers, for nginx to send.

    A subrequest of auth_request may answer only 2xx, 401 or 403.  So the status, the
    other headers and the body are passed in one header each, the body as one line of
    ASCII (``nginx/snippets/subrequest.conf``).  For a redirect, the body is its
    Location, as nginx's ``return`` expects.
    https://nginx.org/en/docs/http/ngx_http_auth_request_module.html
    """
    subresponse = Response(status=403)
    headers = response.headers
    subresponse.headers[STATUS_HEADER] = str(response.status_code)
    subresponse.headers[HEADERS_HEADER] = "|".join(headers.get(k, "") for k in CARRIED)
    subresponse.headers[BODY_HEADER] = headers.get(
        "Location", in_one_line(response.get_data(as_text=True))
    )
    subresponse.headers[REASON_HEADER] = headers.get(REASON_HEADER, "")
    return subresponse


def _refused(error: RefusedError) -> Response:
    return _for_nginx(refusal(error, is_for_program=clients.is_program()))


def _bad_fields(error: BadFieldsError) -> Response:
    errors = [FieldFault(field=k, detail=v) for k, v in error.faults.items()]
    return _answer(
        explain(error), error.reason, is_for_program=clients.is_program(), errors=errors
    )


def _busy(error: CatalogBusyError) -> Response:
    return _for_nginx(busy(error, is_for_program=clients.is_program()))


def _bucket_busy(error: BucketBusyError) -> Response:
    BUCKET_OUTAGES.log(error)
    answer = _answer(BUSY, "bucket-failed", is_for_program=clients.is_program())
    return _for_nginx(answer)


def _http_error(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    explanation = BY_STATUS.get(status) or replace(
        BAD_REQUEST, status=status, title=status.phrase, text=status.description
    )
    response = _answer(
        explanation, _reason(status), is_for_program=clients.is_program()
    )
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return _for_nginx(response)


def is_question() -> bool:
    """Tell whether this is nginx's subrequest for a verdict that nginx may cache."""
    return VERDICT_HEADER in request.environ


def _for_nginx(response: Response) -> Response:
    """Return *response* or a redirect to the repaired link, in the form nginx needs."""
    if response.status_code == HTTPStatus.NOT_FOUND:
        response = _repaired() or response
    return for_subrequest(response) if is_question() else response


def _repaired() -> Response | None:
    """Return a redirect to the repaired link; None if the URL is not a damaged link.

    Called only for a 404: links that work are never checked for damage.
    """
    if request.method not in _SAFE_METHODS:
        return None
    repair: Repair = current_app.extensions[_REPAIR]
    # Werkzeug's request.path has lost the bytes that are not UTF-8.
    path = request.environ["PATH_INFO"].encode("latin-1")
    url = repair.of_refused(path.decode("utf-8", "surrogateescape"))
    if url is None:
        return None
    observation.note(verdicts.REDIRECT)
    headers = {"Location": prefixed(url), REASON_HEADER: "repaired"}
    return Response(status=HTTPStatus.PERMANENT_REDIRECT, headers=headers)


def _reason(status: HTTPStatus) -> str:
    return f"http-{status.value}"


def _answer(
    explanation: Explanation,
    reason: str,
    *,
    is_for_program: bool,
    errors: list[FieldFault] | None = None,
) -> Response:
    observation.note_refusal(explanation)
    if is_for_program:
        response = Response(
            _problem_json(explanation, errors), content_type="application/problem+json"
        )
        response.headers["Content-Security-Policy"] = content_security.REFUSAL
    else:
        response = _page(explanation, request.path)
    response.status = f"{int(explanation.status)} {explanation.phrase}".strip()
    response.headers.update(explanation.headers)
    response.headers["Vary"] = "Accept"
    response.headers[REASON_HEADER] = reason
    return response


def _page(explanation: Explanation, path: str) -> Response:
    if explanation.status == HTTPStatus.UNAUTHORIZED:
        # A browser can't request an internal location: go to the start page.
        destination = prefixed("/" if path.startswith("/_") else path)
        query = urlencode({"next": destination}, safe="/", quote_via=quote)
        # Not url_for: the verdicts pool has no route of the login page.
        return page(
            "login_required.html",
            explanation=explanation,
            request_id=_request_id(),
            login_url=f"{prefixed(LOGIN_PATH)}?{query}",
        )
    text = render_template(
        "refusal.html",
        title=explanation.title,
        text=explanation.text,
        status=int(explanation.status),
        request_id=_request_id(),
        has_link_form=has_link_form(explanation),
        open_url=prefixed(OPEN_PATH),
    )
    response = Response(in_one_line(text), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = content_security.REFUSAL
    return response


def _problem_json(explanation: Explanation, errors: list[FieldFault] | None) -> str:
    problem = Problem(
        type=prefixed(f"{PROBLEMS}{explanation.name}"),
        title=explanation.title,
        status=int(explanation.status),
        detail=explanation.text,
        request_id=_request_id(),
        errors=errors,
    )
    return json.dumps(problem.model_dump(exclude_none=True))


def _request_id() -> str:
    main_request_id: str = request.environ.get(VERDICT_HEADER, "")
    return main_request_id or request.headers.get(REQUEST_ID_HEADER, "")
