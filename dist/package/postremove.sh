#!/bin/sh
# After the package has gone. /var/lib/gofs and /var/log/gofs stay: the first is this
# machine's part of its pool.
set -e
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
