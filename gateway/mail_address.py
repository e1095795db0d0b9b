"""Mail addresses: what somebody typed becomes a mailbox (RFC 5322, section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mailbox:
    """An address that mail can be sent to, and the name of its owner, if one is known.

    ``address`` is for people, ``wire`` is the same in ASCII, as SMTP takes it: they
    differ where the domain has other letters.
    """

    address: str
    wire: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Mailbox:
        """Read ``anna@example.com`` or ``Anna Example <anna@example.com>``.

        Raise ValueError, in words for people, for anything else.  The domain is not
        looked up.  What stands before the @ must be ASCII: few relays take more.
        """
        # Here, since it takes long to load and few commands read an address.
        from email_validator import (  # noqa: PLC0415
            EmailNotValidError,
            validate_email,
        )

        name, address = "", text.strip()
        if address.endswith(">"):
            name, _, address = address[:-1].rpartition("<")
        name = name.strip().strip('"')
        if not name.isprintable():
            raise ValueError("The name has characters that can't be printed.")
        try:
            found = validate_email(
                address, allow_smtputf8=False, check_deliverability=False, strict=True
            )
        except EmailNotValidError as error:
            raise ValueError(str(error)) from None
        wire = found.ascii_email or found.normalized
        return cls(found.normalized, wire, name)

    @property
    def domain(self) -> str:
        """The domain, in ASCII."""
        return self.wire.rpartition("@")[2]
