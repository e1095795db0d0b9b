"""Mail addresses: parse typed text into a mailbox (RFC 5322, section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mailbox:
    """A mail address, and the name of its owner, if known.

    ``address`` is for people, ``wire`` is the ASCII form for SMTP: they differ if the
    domain has non-ASCII letters.
    """

    address: str
    wire: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Mailbox:
        """Parse ``anna@example.com`` or ``Anna Example <anna@example.com>``.

        Raise ValueError, with a message for users, for anything else.  The domain is
        not looked up.  The part before the @ must be ASCII: few relays accept more.
        """
        # Imported here: the import takes long, and few commands parse an address.
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
            validated = validate_email(
                address, allow_smtputf8=False, check_deliverability=False, strict=True
            )
        except EmailNotValidError as error:
            raise ValueError(str(error)) from None
        wire = validated.ascii_email or validated.normalized
        return cls(validated.normalized, wire, name)

    @property
    def domain(self) -> str:
        """The domain, in ASCII."""
        return self.wire.rpartition("@")[2]
