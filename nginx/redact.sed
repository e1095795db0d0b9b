# nginx's error log: tokens are blanked, and what a client did wrong is no error.
# gateway/ops/logs.py has the same three rules.
s#((/|%(25)*2[Ff])([sdlu]|%(25)*(73|64|6[Cc]|75))(/|%(25)*2[Ff])+)[^]/[:space:]"'?,[]+#\1[redacted]#g
s#(\.|%(25)*2[Ee])([A-Za-z0-9_-]|%(25)*(2[Dd]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff])){22}#\1[redacted]#g
s@^([0-9/]{10} [0-9:]{8} )\[(error|alert)\]( [0-9]+#[0-9]+: (\*[0-9]+ )?(client |access forbidden by rule|ignore long locked inactive cache entry ))@\1[info]\3@
