#!/bin/sh
# After installing or upgrading. The daemon is not started at the first installation: it
# would let anybody on the network take this machine into a pool. One that runs is
# replaced by the new one; its bricks and the mounts go on with the old program until
# they are restarted.
set -e
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart gofsd.service || true
fi
