import { describe, expect, it } from "vitest";
import { formatAge, formatLimit, formatMoment, formatValue, plainName } from "../src/core/format";
import { scrollToShow, visibleRows } from "../src/core/window";
import { en } from "../src/i18n/en";
import { preferred } from "../src/i18n";
import { zh } from "../src/i18n/zh";

describe("format", () => {
  it("writes values with about four digits", () => {
    const cases: [number | null, string][] = [
      [1234.5, "1235"],
      [182.44, "182.4"],
      [41.26, "41.3"],
      [8.456, "8.46"],
      [0.0512, "0.051"],
      [-3.2, "−3.20"],
      [null, "—"],
      [Number.NaN, "—"],
    ];
    for (const [value, text] of cases) expect(formatValue(value)).toBe(text);
    expect(formatLimit(17.2)).toBe("17.2");
    expect(formatLimit(250)).toBe("250");
    expect(formatLimit(0.1 + 0.2)).toBe("0.3");
  });
  it("writes ages", () => {
    expect([-5, 42_000, 725_000, 11_050_000, 187_000_000].map(formatAge)).toEqual(["0:00", "0:42", "12:05", "3:04:10", "2d 03h"]);
  });
  it("writes the date only when it is not today's", () => {
    const now = new Date(2026, 0, 31, 12, 0, 0).getTime();
    expect(formatMoment(now - 1000, now)).toBe("11:59:59");
    expect(formatMoment(now - 86_400_000, now)).toBe("01-30 12:00:00");
  });
  it("shows characters that hide or turn text", () => {
    expect(plainName("CO\u202e101\u200b\n")).toBe("CO\u00b7101\u00b7\u00b7");
    expect(plainName("1 号炉 CO")).toBe("1 号炉 CO");
  });
});

describe("rows in sight", () => {
  it("are few however many there are", () => {
    expect(visibleRows(0, 480, 48, 10_000)).toEqual({ first: 0, last: 14 });
    expect(visibleRows(480_000, 480, 48, 10_000)).toEqual({ first: 9996, last: 10_000 });
    expect(visibleRows(5000, 480, 48, 3)).toEqual({ first: 3, last: 3 });
    expect(visibleRows(0, 480, 48, 0)).toEqual({ first: 0, last: 0 });
  });
  it("scroll only as far as needed", () => {
    expect(scrollToShow(5, 0, 480, 48)).toBe(0);
    expect(scrollToShow(12, 0, 480, 48)).toBe(144);
    expect(scrollToShow(1, 144, 480, 48)).toBe(48);
  });
});

describe("languages", () => {
  it("say every text with the same number of blanks", () => {
    for (const [key, text] of Object.entries(en)) {
      const other = zh[key as keyof typeof en];
      expect(typeof other).toBe(typeof text);
      if (typeof text === "string" && key !== "markHigh") expect(other).not.toBe("");
    }
    expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort());
  });
  it("follow the choice, then the browser", () => {
    expect(preferred("zh", ["en-US"])).toBe("zh");
    expect(preferred(null, ["zh-CN", "en"])).toBe("zh");
    expect(preferred(null, ["en-GB"])).toBe("en");
    expect(preferred("klingon", ["fr", "zh-TW"])).toBe("zh");
    expect(preferred(null, ["fr"])).toBe("en");
  });
});
