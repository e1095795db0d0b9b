"""The values that the templates of a share and of the list of shares show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.catalog.outbox import MailState
from gateway.catalog.shares import State
from gateway.shares.description import RecipientState

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.catalog.outbox import Mail
    from gateway.shares.description import DescribedShare, Descriptions, ShareSummary

_STATE_LABELS: Final = {
    State.OPEN: "open",
    State.EARLY: "not open yet",
    State.EXPIRED: "expired",
    State.REVOKED: "revoked",
}
#: The progress of a recipient.
_PROGRESS_LABELS: Final[dict[str, str]] = {
    RecipientState.UNOPENED: "not opened yet",
    RecipientState.OPENED: "opened",
    RecipientState.BEGUN: "download started",
    RecipientState.PARTLY: "partly sent",
    RecipientState.WHOLE: "completely sent",
    RecipientState.OVER: "ended",
}
_MAIL_LABELS: Final = {
    MailState.WAITING: "email not sent yet",
    MailState.SENDING: "email is being sent",
    MailState.ACCEPTED: "email sent",
    MailState.REFUSED: "email refused",
    MailState.UNKNOWN: "email possibly sent",
    MailState.GIVEN_UP: "email not delivered",
}
#: The states for which the page shows the relay's reply.
_WITH_REPLY: Final = frozenset(_MAIL_LABELS) - {MailState.SENDING, MailState.ACCEPTED}


def facts(
    found: DescribedShare,
    descriptions: Descriptions,
    *,
    now: int,
    running: Collection[str],
) -> dict[str, Any]:
    """Return the values of a share and of each link, for the share's page.

    *running* are the ids of recipients with a running download.
    """
    share = found.share
    state = share.state(now=now)
    return {
        "id": share.id,
        "owner": found.owner,
        "has_folder": found.has_folder,
        "title": share.title,
        "name": found.name,
        "message": share.message,
        "state": state,
        "state_label": _STATE_LABELS[state],
        "not_before": share.not_before,
        "lang": share.lang,
        "paths": [item.path for item in found.items if item.path is not None],
        "expires": share.expires,
        "revoked": share.revoked,
        "has_password": share.password_hash is not None,
        "has_otp": share.has_otp,
        "max": share.max_downloads,
        "recipients": [
            {
                "id": each.id,
                "address": each.address,
                "label": each.label,
                "url": descriptions.url(each),
                "state": (reached := found.state(each, now=now)),
                "reached": reached,
                "progress_label": _PROGRESS_LABELS[reached],
                "whole_files": found.whole_files(each),
                "opened": each.opened,
                "taken": each.taken - each.given_back,
                "can_give_back": share.max_downloads is not None
                and (each.given_back < each.taken or each.id in running),
                "sent": each.sent,
                "percent": found.percent(each),
                "scanned": each.scanned,
                **_mail(found.mails.get(each.id)),
            }
            for each in found.recipients
        ],
    }


def summary(found: ShareSummary, *, now: int) -> dict[str, Any]:
    """Return the values that the list of shares shows for one share."""
    share = found.share
    state = share.state(now=now)
    return {
        "id": share.id,
        "owner": found.owner,
        "name": found.name,
        "state": state,
        "state_label": _STATE_LABELS[state],
        "expires": share.expires,
        "links": found.links,
        "opened": found.opened,
    }


def _mail(mail: Mail | None) -> dict[str, object]:
    """Return the state of a mail as text, and whether it can be sent again."""
    if mail is None:
        return {"mail": "no email sent", "is_mailed": False, "is_mail_over": True}
    reply = f": {mail.words}" if mail.words and mail.state in _WITH_REPLY else ""
    return {
        "mail": _MAIL_LABELS[mail.state] + reply,
        "is_mailed": True,
        "is_mail_over": mail.state.is_over,
    }
