#!/bin/sh
# Before the package goes ("remove" from dpkg, 0 from rpm); not before an upgrade.
set -e
case "${1:-}" in
remove | 0)
	if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
		systemctl disable --now gofsd.service || true
		systemctl stop gofs-bricks.service || true
	fi
	;;
esac
