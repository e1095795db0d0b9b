# Run SeaweedFS, and create the bucket `gateway` at the first start.
set -eu
weed=/opt/seaweedfs/bin/weed
ask() {
    echo "$1" | timeout 10 "$weed" shell -master=127.0.0.1:9333 2>/dev/null
}
# (!) A gateway waits for a bucket that does not exist, and creates none.
{
    until ask s3.bucket.list | grep -q '^ *gateway[[:space:]]'; do
        ask 's3.bucket.create -name gateway' >/dev/null || :
        sleep 0.5
    done
    : >/tmp/bucket-exists
} &
exec "$weed" -logtostderr=true server -dir=/var/lib/seaweedfs -ip=127.0.0.1 \
    -ip.bind=0.0.0.0 -filer -s3 -s3.port=8333 \
    -s3.config=/var/lib/gateway-secrets/s3.json -s3.port.iceberg=0 -s3.port.lance=0 \
    -master.telemetry=false
