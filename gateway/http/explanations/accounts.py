"""Explanations of errors of accounts, logins and forms."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from gateway import errors
from gateway.http.explanations.general import Explanation

EXPLANATIONS: Final[dict[type[errors.RefusedError], Explanation]] = {
    errors.NotAuthenticatedError: Explanation(
        "not-authenticated",
        HTTPStatus.UNAUTHORIZED,
        "Please log in",
        "You must log in to see this page. Programs must send a valid token "
        "(Authorization: Bearer ...).",
        {"WWW-Authenticate": 'Bearer realm="gateway"'},
    ),
    errors.NotPermittedError: Explanation(
        "not-permitted",
        HTTPStatus.FORBIDDEN,
        "Permission denied",
        "This account or token does not have the permission to do this.",
    ),
    errors.NewPasswordError: Explanation(
        "new-password-required",
        HTTPStatus.FORBIDDEN,
        "Please choose a new password",
        "Your password was generated for you. Log in, choose your own password, and "
        "try again.",
    ),
    errors.WrongPasswordError: Explanation(
        "wrong-login",
        HTTPStatus.FORBIDDEN,
        "Wrong user name or password",
        "Check the user name and the password, and try again.",
    ),
    errors.TooManyAttemptsError: Explanation(
        "too-many-attempts",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many wrong passwords",
        "Wait a while, then try again.",
    ),
    errors.ForgedFormError: Explanation(
        "stale-form",
        HTTPStatus.FORBIDDEN,
        "This page has expired",
        "It was open for too long, or somebody has logged in or out since, or the "
        "browser blocks cookies for this site. Nothing was changed. Go back, reload "
        "the page, and try again.",
    ),
    errors.BadFieldsError: Explanation(
        "invalid-fields",
        HTTPStatus.BAD_REQUEST,
        "Invalid request",
        "The body must be a JSON object with valid fields.",
    ),
}
