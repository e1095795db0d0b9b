"""Whether a gateway answers at the address, under this name, and is ready."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from gateway.doctor.client import NoAnswerError, TooManyRequestsError, UntrustedError
from gateway.doctor.results import Code, found, not_checked, passed, shown

if TYPE_CHECKING:
    from gateway.doctor.client import Answer, Client
    from gateway.doctor.results import Result

_HEALTH: Final = "/healthz"
#: Without credentials it is refused, in a form that only a gateway uses.
REFUSED: Final = "/api/v1/files"
#: No gateway has this URL.  Proxies replace the pages of 404 more often than others.
_NOTHING: Final = "/gateway-doctor.none"
_GATEWAY_ERRORS: Final = frozenset({502, 503, 504})
_REDIRECTS: Final = range(300, 400)
#: Addresses that are nobody's (RFC 5737, RFC 3849); the port is arbitrary.
_FAR: Final = (
    (socket.AF_INET, ("192.0.2.1", 9)),
    (socket.AF_INET6, ("2001:db8::1", 9)),
)


@dataclass
class Arrival:
    """Finds out whether ``client`` reaches a gateway.

    If it does, ``is_gateway`` is True afterwards, and ``client`` accepts the server's
    certificate, whether it is valid or not.  ``are_refusals_replaced`` tells whether
    statuses of refusals are those of a proxy.
    """

    client: Client
    is_gateway: bool = False
    are_refusals_replaced: bool = False

    CODES = (
        Code.UNREACHABLE,
        Code.NOT_A_GATEWAY,
        Code.HOST_REFUSED,
        Code.PATH_PREFIX,
        Code.ERRORS_REPLACED,
        Code.NOT_READY,
    )

    def check(self) -> list[Result]:
        """Return the results; end at the first one that is not passed.

        Raise TooManyRequestsError, which says nothing about the deployment.
        """
        try:
            health = self._first_answer()
        except TooManyRequestsError:
            raise
        except NoAnswerError as error:
            return [self._unreachable(error)]
        reached = passed(Code.UNREACHABLE, f"{self.client.target} answers.")
        return [reached, *self._identify(health)]

    def _first_answer(self) -> Answer:
        try:
            return self.client.ask(_HEALTH)
        except UntrustedError:
            # The check of the certificate reports it.
            self.client = self.client.without_verification()
            return self.client.ask(_HEALTH)

    def _unreachable(self, error: NoAnswerError) -> Result:
        target = self.client.target
        if not target.is_loopback and _has_no_network():
            return not_checked(
                Code.UNREACHABLE,
                f"this machine has no network; look at {target} from another one",
            )
        return found(
            Code.UNREACHABLE,
            f"{target} can't be reached: {error}.",
            "Start the gateway and the proxy before it, and check the DNS name, the "
            "port and the firewall.",
        )

    def _identify(self, health: Answer) -> list[Result]:
        is_healthy = health.json.get("status") == "ok"
        try:
            answer = self.client.ask(REFUSED)
        except TooManyRequestsError:
            raise
        except NoAnswerError as error:
            refused = self._host_refused(f"with nothing: {error}")
            return [refused if is_healthy else self._no_gateway(health)]
        if answer.is_missing:
            return [self._path_prefix()]
        if answer.is_refusal:
            self.is_gateway = True
            missing = self.client.ask(_NOTHING)
            return [
                passed(Code.NOT_A_GATEWAY, f"{self.client.target} is a gateway."),
                passed(Code.HOST_REFUSED, "The gateway answers under this name."),
                passed(Code.PATH_PREFIX, "The gateway answers below this path."),
                passed(
                    Code.ERRORS_REPLACED, "Refusals arrive as the gateway sent them."
                )
                if missing.is_missing
                else self._errors_replaced(_NOTHING, missing),
                self._readiness(),
            ]
        if not is_healthy:
            return [self._no_gateway(health)]
        if answer.status in _GATEWAY_ERRORS:
            # A gateway closes requests for other names: 502 of the proxy.
            is_closed = answer.status == HTTPStatus.BAD_GATEWAY
            how = f"with {answer}"
            return [self._host_refused(how) if is_closed else self._overloaded(answer)]
        self.is_gateway = True
        return [self._errors_replaced(REFUSED, answer), self._readiness()]

    def _host_refused(self, how: str) -> Result:
        host = self.client.target.host
        return found(
            Code.HOST_REFUSED,
            f"{_HEALTH} is answered, but {REFUSED} {how}: the gateway does not know "
            f"the host name that it gets.",
            "In the proxy: proxy_set_header Host $host; for the gateway: "
            f"GATEWAY_PUBLIC_URL={self.client.target}, or GATEWAY_HOSTS={host}.",
        )

    def _path_prefix(self) -> Result:
        target = self.client.target
        return found(
            Code.PATH_PREFIX,
            f"A gateway answers at {target}, but {REFUSED} is not found there: its "
            "URLs have another path, or the proxy changes the path.",
            f"GATEWAY_PUBLIC_URL={target}, and in the proxy's location no path after "
            "the port: proxy_pass http://127.0.0.1:8080;",
        )

    def _overloaded(self, answer: Answer) -> Result:
        return found(
            Code.NOT_READY,
            f"{_HEALTH} is answered, but {REFUSED} with {answer} by a proxy: it limits "
            "the rate of requests, or the gateway stopped meanwhile.",
            "The proxy's error log has the cause; a limit of requests (limit_req) "
            "needs a burst, and limit_req_status 429;",
        )

    def _errors_replaced(self, path: str, answer: Answer) -> Result:
        self.are_refusals_replaced = True
        return found(
            Code.ERRORS_REPLACED,
            f"{path} without a token is answered with {answer} and not with the "
            "gateway's problem JSON.",
            "In the proxy's location: proxy_intercept_errors off;",
        )

    def _no_gateway(self, health: Answer) -> Result:
        target = self.client.target
        place = health.header("Location")
        fact = f"{target} is no gateway: it answers {_HEALTH} with {health}"
        if place is not None and health.status in _REDIRECTS:
            return found(
                Code.NOT_A_GATEWAY,
                f"{fact}, and redirects to {place}.",
                "Run gateway doctor with the address to which it redirects.",
            )
        if health.status in _GATEWAY_ERRORS:
            return found(
                Code.NOT_A_GATEWAY,
                f"{fact}: a proxy answers, and the gateway behind it does not.",
                "Start the gateway (systemctl status gateway), and check the address "
                "in the proxy's proxy_pass.",
            )
        return found(
            Code.NOT_A_GATEWAY,
            f"{fact}.",
            "Run gateway doctor with the gateway's own address, as in "
            "GATEWAY_PUBLIC_URL, without the path of a link.",
        )

    def _readiness(self) -> Result:
        answer = self.client.ask("/readyz")
        if answer.status == HTTPStatus.OK:
            return passed(Code.NOT_READY, "The gateway is ready.")
        failing = answer.json.get("failing")
        parts = shown(", ".join(map(str, failing))) if isinstance(failing, list) else ""
        return found(
            Code.NOT_READY,
            f"/readyz is answered with {answer}: "
            f"{parts or 'a pool of gunicorn does not answer'}.",
            "See Health checks in docs/operations.md; stderr of the gateway has the "
            "cause.",
        )


def _has_no_network() -> bool:
    """Tell whether there is no route to any other machine, as in some containers."""
    for family, address in _FAR:
        # This sends nothing: the kernel only looks for a route.
        with (
            suppress(OSError),
            socket.socket(family, socket.SOCK_DGRAM) as probe,
        ):
            probe.connect(address)
            return False
    return True
