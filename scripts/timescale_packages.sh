#!/usr/bin/env bash
# The packages of the TimescaleDB that the tests run (tests/parts/timescale).
. "$(dirname "$0")/lib.sh"
folder=tests/parts/timescale

use_node || { say "no Node.js"; exit 3; }
install_packages() { (cd $folder && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2; }
once $folder/node_modules/.stamp $folder/package-lock.json -- install_packages
