#!/bin/bash
# Hands the password to the server's configuration as a hash: it is in no variable and no argument.
# Runs the command given with CLICKHOUSE_PASSWORD_SHA256 set from the file CLICKHOUSE_PASSWORD_SECRET.
set -euo pipefail
password=$(<"$CLICKHOUSE_PASSWORD_SECRET")
if [ -z "$password" ]; then
    echo "$CLICKHOUSE_PASSWORD_SECRET is empty; run sh deploy/init-secrets.sh" >&2
    exit 1
fi
hash=$(printf %s "$password" | sha256sum)
unset password
export CLICKHOUSE_PASSWORD_SHA256=${hash%% *}
exec "$@"
