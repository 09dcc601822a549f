#!/bin/sh
# Starts coturn, through which voices in calls find their way where two browsers do not reach each other directly.
# TURN_SECRET is what the web processes sign their credentials with; TURN_ADDRESS the address that browsers reach this
# machine at, where it has another one itself. Further arguments are coturn's own.
set -eu
if [ -z "${TURN_SECRET:-}" ]; then
    echo "Set GUANJIA_TURN_SECRET in .env (openssl rand -hex 32): a relay without a secret would serve anybody." >&2
    exit 1
fi

# In a file of its own: on the command line every process of the machine could read the secret.
umask 077
settings=$(mktemp)
cat >"$settings" <<END
use-auth-secret
static-auth-secret=$TURN_SECRET
realm=guanjia
fingerprint
listening-port=${TURN_PORT:-3478}
min-port=49160
max-port=49360
no-tls
no-dtls
no-cli
no-multicast-peers
stale-nonce
END
if [ -n "${TURN_ADDRESS:-}" ]; then
    echo "external-ip=$TURN_ADDRESS" >>"$settings"
fi
exec turnserver -c "$settings" --log-file=stdout --pidfile="$settings.pid" "$@"
