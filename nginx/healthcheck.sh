#!/bin/bash
# Check through nginx that the gateway is ready; the image has no curl.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/8080"
printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r answer <&3
[[ $answer == 'HTTP/1.1 200 '* ]]
