# Blank tokens in nginx's error log; gateway/ops/logs.py has the same two rules.
s#(/[sdlu]/+)[^]/[:space:]"'?,[]+#\1[redacted]#g
s#\.([A-Za-z0-9_-]|%[0-9A-Fa-f]{2}){22}#.[redacted]#g
