"""What Flask and nginx both know of the site: families, pools, errors, policies."""
