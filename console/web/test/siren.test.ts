import { describe, expect, it } from "vitest";
import { Siren, soundState } from "../src/core/siren";
import { type Alarm, alarmOf, type AlarmState } from "../src/core/types";

function alarm(id: string, tier: number, state: AlarmState = "unacknowledged", episode = "e1"): Alarm {
  return alarmOf({ id, episode, revision: 1, state, tier, peakTier: tier });
}

describe("siren", () => {
  it("sounds the highest unacknowledged tier", () => {
    const siren = new Siren();
    siren.observe(undefined, alarm("a", 3));
    siren.observe(undefined, alarm("b", 2));
    siren.observe(undefined, alarm("c", 1, "acknowledged"));
    siren.observe(undefined, alarm("d", 1, "returned_unacknowledged"));
    expect(siren.tier).toBe(2);
    siren.observe(alarm("b", 2), alarm("b", 2, "acknowledged"));
    expect(siren.tier).toBe(3);
    siren.observe(alarm("a", 3), undefined);
    expect(siren.tier).toBeNull();
  });

  it("is silent after silencing until the next new alarm, also a lower one", () => {
    const siren = new Siren();
    siren.observe(undefined, alarm("a", 1));
    siren.silence();
    expect([siren.tier, siren.isSilenced]).toEqual([null, true]);
    siren.observe(alarm("a", 1), alarm("a", 1));
    expect(siren.tier).toBeNull();
    siren.observe(undefined, alarm("b", 4));
    expect(siren.tier).toBe(4);
  });

  it("sounds again for an alarm that rises, comes again, or was acknowledged before", () => {
    for (const [before, after] of [
      [alarm("a", 3), alarm("a", 2)],
      [alarm("a", 2), alarm("a", 2, "unacknowledged", "e2")],
      [alarm("a", 2, "acknowledged"), alarm("a", 2)],
      [alarm("a", 2, "returned_unacknowledged"), alarm("a", 2)],
    ] as const) {
      const siren = new Siren();
      siren.observe(undefined, before);
      siren.silence();
      siren.observe(before, after);
      expect(siren.tier).toBe(2);
    }
  });

  it("stays silent when a silenced alarm falls", () => {
    const siren = new Siren();
    siren.observe(undefined, alarm("a", 1));
    siren.silence();
    siren.observe(alarm("a", 1), alarm("a", 3));
    expect(siren.tier).toBeNull();
  });

  it("says plainly that the browser blocks it", () => {
    const siren = new Siren();
    siren.observe(undefined, alarm("a", 1));
    expect(soundState(siren, false)).toBe("blocked");
    expect(soundState(siren, true)).toBe("sounding");
    siren.silence();
    expect(soundState(siren, true)).toBe("silenced");
    expect(soundState(new Siren(), true)).toBe("quiet");
  });
});
