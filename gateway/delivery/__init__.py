"""Verdicts: a request and a permission become a Delivery or a Refusal."""
