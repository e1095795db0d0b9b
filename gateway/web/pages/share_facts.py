"""What a share's page and the list of shares tell of a share, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.catalog.outbox import MailState
from gateway.catalog.shares import State
from gateway.shares.description import RecipientState

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.catalog.outbox import Mail
    from gateway.shares.description import DescribedShare, Descriptions, ShareSummary

_STATES: Final = {
    State.OPEN: "open",
    State.EARLY: "not open yet",
    State.EXPIRED: "expired",
    State.REVOKED: "ended",
}
#: How far a recipient has come.
_REACHED: Final[dict[str, str]] = {
    RecipientState.UNOPENED: "not opened yet",
    RecipientState.OPENED: "opened",
    RecipientState.BEGUN: "download begun",
    RecipientState.PARTLY: "sent in part",
    RecipientState.WHOLE: "sent whole",
    RecipientState.OVER: "ended",
}
#: What became of a mail, and where the relay's words say more.
_MAILS: Final = {
    MailState.WAITING: "mail not sent yet",
    MailState.SENDING: "mail is being sent",
    MailState.ACCEPTED: "mail sent",
    MailState.REFUSED: "mail refused",
    MailState.UNKNOWN: "mail perhaps sent",
    MailState.GIVEN_UP: "mail given up",
}
_EXPLAINED: Final = frozenset(_MAILS) - {MailState.SENDING, MailState.ACCEPTED}


def facts(
    found: DescribedShare,
    descriptions: Descriptions,
    *,
    now: int,
    running: Collection[str],
) -> dict[str, Any]:
    """Return what templates show of a share and each of its links.

    *running* are the ids of recipients who are downloading.
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
        "says": _STATES[state],
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
                "says": _REACHED[reached],
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
    """Return what the list of shares shows of one."""
    share = found.share
    state = share.state(now=now)
    return {
        "id": share.id,
        "owner": found.owner,
        "name": found.name,
        "state": state,
        "says": _STATES[state],
        "expires": share.expires,
        "links": found.links,
        "opened": found.opened,
    }


def _mail(mail: Mail | None) -> dict[str, object]:
    """Return what became of a mail, in words, and whether another may be sent."""
    if mail is None:
        return {"mail": "not mailed", "is_mailed": False, "is_mail_over": True}
    words = f": {mail.words}" if mail.words and mail.state in _EXPLAINED else ""
    return {
        "mail": _MAILS[mail.state] + words,
        "is_mailed": True,
        "is_mail_over": mail.state.is_over,
    }
