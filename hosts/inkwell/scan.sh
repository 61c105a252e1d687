#!/bin/sh
# scan.sh DIRECTORY: one page from the feeder into DIRECTORY, named by the time.
set -eu
out="$1/$(date +%Y-%m-%dT%H%M%S).pdf"
scanimage --format=pdf --resolution 300 --mode Gray --output-file "$out.part"
mv "$out.part" "$out"
