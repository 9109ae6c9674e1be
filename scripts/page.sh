#!/usr/bin/env bash
# Build the page (console/web) into console/static, when its sources have changed.
. "$(dirname "$0")/lib.sh"
web=console/web

if ! use_node; then
  say "No Node.js that can build the page: the console answers, but shows no page. To install: Node.js 22 or later"
  exit 0
fi

install_packages() { (cd $web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2; }
build() { (cd $web && npm run --silent build -- --logLevel warn) >&2; }

once $web/node_modules/.stamp $web/package-lock.json $web/package.json -- install_packages
once console/static/.stamp $web -- build
