#!/bin/sh
# Makes the secrets that docker-compose.yml mounts, in deploy/secrets or the folder given.
# What is there already is kept: a new privacy key would rename every counterparty. Needs OpenSSL
# (1.1.1 or later) for the key that signs models.
set -eu
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
# The folder keeps other people out; the files must be readable by the containers' users.
chmod 700 "$folder"
umask 022

random() { head -c "$1" /dev/urandom; }
make() { # name, command that writes the value
    if [ -s "$folder/$1" ]; then
        echo "kept     $folder/$1"
    else
        "$2" > "$folder/$1.new"
        mv "$folder/$1.new" "$folder/$1"
        echo "created  $folder/$1"
    fi
}
privacy_key() { random 32; }
password() { random 24 | od -An -tx1 | tr -d ' \n'; }
# Alerts go to a Slack-compatible webhook. Until its address is put here nothing is delivered, and
# TidelineAlertDeliveryFailing says so.
webhook() { printf %s 'http://127.0.0.1/put-the-webhook-address-into-alert_webhook_url'; }
signing_key() {
    openssl genpkey -algorithm ed25519 || { echo "openssl cannot make an Ed25519 key" >&2; exit 1; }
}
# Nobody yet: see docs/desk-access.md.
desk_users() { printf 'users: {}\ntokens: {}\n'; }
trusted_keys() { openssl pkey -in "$folder/model_signing_key" -pubout; }

make privacy_key privacy_key
make model_signing_key signing_key
make model_trusted_keys trusted_keys
make clickhouse_password password
make clickhouse_reader_password password
make grafana_password password
make alert_webhook_url webhook
make desk_users desk_users
