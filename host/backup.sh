#!/bin/sh
# A backup every hour, kept for seven days; `study restore` takes any of them.
set -eu
while :; do
  part=/backups/.part
  pg_dump --format=custom --no-owner --host=database --username=foolrate --file="$part" foolrate
  mv "$part" "/backups/$(date -u +%Y-%m-%dT%H%M).dump"
  find /backups -name '*.dump' -mtime +7 -delete
  sleep 3600
done
