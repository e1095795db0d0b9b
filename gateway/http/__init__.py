"""Tables that Flask and nginx share: families, pools, explanations, policies."""
