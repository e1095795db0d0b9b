# nginx's error log: redact tokens, and log clients' mistakes as [info].
{% for rule in log_rules %}
s~{{ rule.pattern|sed }}~{{ rule.replacement|sed }}~g
{% endfor %}
