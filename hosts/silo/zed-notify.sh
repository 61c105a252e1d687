#!/bin/sh
# Called by zed with the pool and its state.
pool="$1"
state="$2"
printf 'Subject: pool %s is %s on silo\n\n' "$pool" "$state" | msmtp ops@harbour.example
