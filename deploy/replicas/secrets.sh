# Make the keys and passwords of deploy/replicas.yml, unless they exist.
set -eu
umask 077
cd /var/lib/gateway-secrets

make() {
    file=$1
    shift
    [ -s "$file" ] || { "$@" >"$file.new" && mv "$file.new" "$file"; }
}
random() {
    python -c 'import secrets; print(secrets.token_hex(24))'
}
make keys gateway keys new
make secret gateway secrets new
make password random
make bucket random
echo "postgresql+psycopg://gateway:$(cat password)@postgresql/gateway" >database
cat >s3.json <<EOF
{"identities": [{"name": "gateway", "actions": ["Admin"],
  "credentials": [{"accessKey": "gateway", "secretKey": "$(cat bucket)"}]}]}
EOF
