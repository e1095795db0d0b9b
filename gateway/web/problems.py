"""Refusals and errors, as a client meets them.

People get a page in plain words, programs problem JSON (RFC 9457); both carry the
request id.
"""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from flask import Response, current_app, render_template, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from gateway.errors import BadFieldsError, CatalogBusyError, RefusedError
from gateway.http import content_security
from gateway.http.explanations import (
    BAD_REQUEST,
    BUSY,
    BY_STATUS,
    CARRIED,
    PROBLEMS,
    WITH_BOX,
    Explanation,
    explain,
)
from gateway.web import clients
from gateway.web.api.schemas import FieldFault, Problem
from gateway.web.catalog_outages import OUTAGES
from gateway.web.nginx.headers import REQUEST_ID_HEADER
from gateway.web.nginx.verdicts import VERDICT_HEADER
from gateway.web.pages import page

if TYPE_CHECKING:
    from flask import Flask

    from gateway.links.repair import Repair

#: nginx logs it and takes it off: the operator may know why, the client not.
REASON_HEADER: Final = "X-Gateway-Reason"

#: What a refused subrequest's answer carries.
STATUS_HEADER: Final = "X-Refusal-Status"
BODY_HEADER: Final = "X-Refusal-Body"
#: The refusal's own headers, joined by ``|``: ``explanations.CARRIED``.
HEADERS_HEADER: Final = "X-Refusal-Headers"

_READING: Final = frozenset({"GET", "HEAD"})
#: Where an application has its ``Repair``.
_REPAIR: Final = "gateway.repair"


def register(app: Flask, repair: Repair) -> None:
    """Make *app* answer every refusal and error with its explanation.

    Who asks for what *repair* finds to be a damaged link is led to the clean one.
    """
    app.extensions[_REPAIR] = repair
    app.register_error_handler(RefusedError, _refused)
    app.register_error_handler(BadFieldsError, _bad_fields)
    app.register_error_handler(CatalogBusyError, _busy)
    app.register_error_handler(HTTPException, _http_error)


def refusal(error: RefusedError, *, is_for_program: bool) -> Response:
    """Return what a program, or else a person, is told of *error*."""
    return _answer(explain(error), error.reason, is_for_program=is_for_program)


def busy(error: CatalogBusyError, *, is_for_program: bool) -> Response:
    """Return what either is told when the catalog does not answer, and log why."""
    OUTAGES.log(error)
    return _answer(BUSY, "catalog-busy", is_for_program=is_for_program)


def unanswered(*, is_for_program: bool) -> Response:
    """Return what either is told when the gateway could not decide, for its fault."""
    return _answer(BUSY, "fault", is_for_program=is_for_program)


def carried(response: Response) -> Response:
    """Return 403 with *response* in its headers, for nginx to show.

    A subrequest of auth_request may answer only 2xx, 401 or 403: its
    status, its own headers and its text, a page as one line of ASCII, travel in one
    header each (``nginx/snippets/subrequest.conf``).  The text of a redirect is its
    Location, as nginx's ``return`` has it.
    https://nginx.org/en/docs/http/ngx_http_auth_request_module.html
    """
    answer = Response(status=403)
    answer.headers[STATUS_HEADER] = str(response.status_code)
    told = response.headers
    answer.headers[HEADERS_HEADER] = "|".join(told.get(k, "") for k in CARRIED)
    answer.headers[BODY_HEADER] = told.get(
        "Location", _in_one_line(response.get_data(as_text=True))
    )
    answer.headers[REASON_HEADER] = told.get(REASON_HEADER, "")
    return answer


def _refused(error: RefusedError) -> Response:
    return _told(refusal(error, is_for_program=clients.is_program()))


def _bad_fields(error: BadFieldsError) -> Response:
    errors = [FieldFault(field=k, detail=v) for k, v in error.faults.items()]
    return _answer(
        explain(error), error.reason, is_for_program=clients.is_program(), errors=errors
    )


def _busy(error: CatalogBusyError) -> Response:
    return _told(busy(error, is_for_program=clients.is_program()))


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
    return _told(response)


def is_question() -> bool:
    """Tell whether nginx asks beside the request, for a verdict that it may keep."""
    return VERDICT_HEADER in request.environ


def _told(response: Response) -> Response:
    """Return *response*, or the way to a clean link, in the form that nginx takes."""
    if response.status_code == HTTPStatus.NOT_FOUND:
        response = _repaired() or response
    return carried(response) if is_question() else response


def _repaired() -> Response | None:
    """Return the redirect to the clean link, if a damaged one was asked for.

    Whether a link is damaged is asked only of one that leads nowhere.
    """
    if request.method not in _READING:
        return None
    repair: Repair = current_app.extensions[_REPAIR]
    # Werkzeug's own text has lost what is no UTF-8.
    path = request.environ["PATH_INFO"].encode("latin-1")
    url = repair.of_refused(path.decode("utf-8", "surrogateescape"))
    if url is None:
        return None
    headers = {"Location": url, REASON_HEADER: "repaired"}
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
        # Nobody goes back to where nginx asks.
        after = "/" if path.startswith("/_") else path
        login = f"/login?next={quote(after, safe='/')}"
        return page(
            "unknown.html",
            explanation=explanation,
            request_id=_request_id(),
            login=login,
        )
    text = render_template(
        "refusal.html",
        title=explanation.title,
        text=explanation.text,
        status=int(explanation.status),
        request_id=_request_id(),
        box=_box() if explanation.status in WITH_BOX else "",
    )
    response = Response(_in_one_line(text), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = content_security.REFUSAL
    return response


def _box() -> Markup:
    return Markup(render_template("paste.html"))  # noqa: S704 -- a template of ours


def _in_one_line(markup: str) -> str:
    """Return ASCII without line breaks, which shows the same."""
    return " ".join(markup.split()).encode("ascii", "xmlcharrefreplace").decode()


def _problem_json(explanation: Explanation, errors: list[FieldFault] | None) -> str:
    problem = Problem(
        type=f"{PROBLEMS}{explanation.name}",
        title=explanation.title,
        status=int(explanation.status),
        detail=explanation.text,
        request_id=_request_id(),
        errors=errors,
    )
    return json.dumps(problem.model_dump(exclude_none=True))


def _request_id() -> str:
    asked: str = request.environ.get(VERDICT_HEADER, "")
    return asked or request.headers.get(REQUEST_ID_HEADER, "")
