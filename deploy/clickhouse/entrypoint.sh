#!/bin/bash
# Hands the passwords to the server's configuration as hashes: they are in no variable and no argument.
# Runs the command given with CLICKHOUSE_PASSWORD_SHA256 and CLICKHOUSE_READER_PASSWORD_SHA256 set from
# the files CLICKHOUSE_PASSWORD_SECRET and CLICKHOUSE_READER_PASSWORD_SECRET.
set -euo pipefail
hash_of() { # file
    local password
    password=$(<"$1")
    if [ -z "$password" ]; then
        echo "$1 is empty; run sh deploy/init-secrets.sh" >&2
        return 1
    fi
    printf %s "$password" | sha256sum | cut -d ' ' -f 1
}
CLICKHOUSE_PASSWORD_SHA256=$(hash_of "$CLICKHOUSE_PASSWORD_SECRET")
CLICKHOUSE_READER_PASSWORD_SHA256=$(hash_of "$CLICKHOUSE_READER_PASSWORD_SECRET")
export CLICKHOUSE_PASSWORD_SHA256
export CLICKHOUSE_READER_PASSWORD_SHA256
exec "$@"
