"""Verdicts: request facts and a grant become a Delivery or a Refusal."""
