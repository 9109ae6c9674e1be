#!/usr/bin/env bash
# Prints a Python of version 3.11 or later that can make virtual environments; fails when there is none.
for python in python3.11 python3 python3.12 python3.13; do
  if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    "$python" -c 'import sys; print(sys.executable)'
    exit 0
  fi
done
exit 1
