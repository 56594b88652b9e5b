#!/usr/bin/env bash
# Every lab of this topic; --quick and --continue-on-error are passed on. On Windows type the command below itself.
exec fledge lab run 12-rlaif-and-constitution "$@"
