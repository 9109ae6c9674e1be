import { describe, expect, it } from "vitest";
import tokens from "../src/styles/tokens.css?raw";

/** The custom properties of one rule of the style sheet. */
function rule(selector: string): Map<string, string> {
  const start = tokens.indexOf(`${selector} {`);
  const body = tokens.slice(start, tokens.indexOf("}", start));
  return new Map([...body.matchAll(/(--[\w-]+):\s*([^;]+);/g)].map((match) => [match[1] as string, match[2] as string]));
}

function luminance(hex: string): number {
  const parts = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255);
  const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** WCAG 2.1 contrast ratio of two colours. */
function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

const common = rule(":root");

describe.each(["day", "night"])("%s colours", (theme) => {
  const colours = new Map([...common, ...rule(`:root[data-theme="${theme}"]`)]);
  const of = (name: string): string => {
    const value = colours.get(name);
    if (!value?.startsWith("#")) throw new Error(`${name} is not a plain colour: ${value}`);
    return value;
  };

  it("are read", () => expect(colours.size).toBeGreaterThan(35));

  it.each([
    ["--text", ["--surface", "--surface-2", "--raised", "--control", "--select", "--hover", "--ground"]],
    ["--text-2", ["--surface", "--surface-2", "--raised", "--control", "--select", "--hover"]],
    ["--text-3", ["--surface"]],
    ["--text", ["--t1-wash", "--t2-wash", "--t3-wash", "--t4-wash"]],
    ["--text-2", ["--t1-wash", "--t2-wash", "--t3-wash", "--t4-wash"]],
    ["--accent-ink", ["--accent"]],
  ])("%s can be read on %s", (text, grounds) => {
    for (const ground of grounds) expect(contrast(of(text), of(ground)), ground).toBeGreaterThanOrEqual(4.5);
  });

  it("tier digits can be read, and each tier stands out by fill or outline", () => {
    for (const tier of [1, 2, 3, 4]) {
      expect(contrast(of(`--t${tier}-ink`), of(`--t${tier}`))).toBeGreaterThanOrEqual(4.5);
      const seen = Math.max(contrast(of(`--t${tier}`), of("--surface")), contrast(of("--outline"), of("--surface")));
      expect(seen).toBeGreaterThanOrEqual(3);
    }
  });
});
