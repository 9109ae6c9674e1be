/// <reference types="vitest/config" />
import { defineConfig } from "vite";

/** Chrome 109 is the last one for Windows 7, which control rooms still have. */
export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "chrome109",
    cssTarget: "chrome109",
    outDir: "../static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  test: { css: { include: [/.+/] } },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8420", ws: true } } },
});
