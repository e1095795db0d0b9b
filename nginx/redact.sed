# nginx's error log: tokens are blanked, and what a client did wrong is no error.
{% for rule in log_rules %}
s~{{ rule.pattern|sed }}~{{ rule.replacement|sed }}~g
{% endfor %}
