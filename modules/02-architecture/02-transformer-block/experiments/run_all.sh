#!/usr/bin/env bash
# Every experiment of this topic. On Windows: fledge lab run 02-transformer-block
exec fledge lab run 02-transformer-block "$@"
