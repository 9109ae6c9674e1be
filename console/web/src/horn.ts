/** The sound: one pattern per tier by WebAudio, no files. Browsers block it until somebody has clicked; the page says so. */
import type { Tier } from "./core/types";

interface Pattern {
  /** Hz of the beeps, one after the other, and how long each is, s. */
  readonly tones: readonly number[];
  readonly length: number;
  /** Seconds from the start of one pattern to the next. */
  readonly every: number;
}

const PATTERNS: Record<Tier, Pattern> = {
  1: { tones: [960, 720, 960, 720], length: 0.16, every: 1.2 },
  2: { tones: [820, 820, 820], length: 0.14, every: 2.4 },
  3: { tones: [660, 660], length: 0.16, every: 5 },
  4: { tones: [520], length: 0.22, every: 10 },
};
const LOST: Pattern = { tones: [330, 262], length: 0.3, every: 6 };

export class Horn {
  private context: AudioContext | null = null;
  private next = 0;
  private playing = "";

  constructor() {
    try {
      this.context = new AudioContext();
    } catch {
      this.context = null;
    }
  }

  /** The browser lets this page sound. */
  get audible(): boolean {
    return this.context?.state === "running";
  }

  /** To be called from a click or a key. */
  unblock(): void {
    void this.context?.resume();
  }

  test(): void {
    this.unblock();
    this.beep(PATTERNS[2]);
  }

  /** Sound what is due now; called four times a second. `lost` is the screen's own tone: it is not live. */
  play(tier: Tier | null, lost: boolean): void {
    const context = this.context;
    if (!context || context.state !== "running") return;
    const key = tier !== null ? `tier ${tier}` : lost ? "lost" : "";
    if (key !== this.playing) {
      this.playing = key;
      this.next = context.currentTime;
    }
    if (!key || context.currentTime < this.next) return;
    const pattern = tier !== null ? PATTERNS[tier] : LOST;
    this.next = context.currentTime + pattern.every;
    this.beep(pattern);
  }

  private beep(pattern: Pattern): void {
    const context = this.context;
    if (!context) return;
    let at = context.currentTime + 0.02;
    for (const hertz of pattern.tones) {
      const tone = context.createOscillator();
      const volume = context.createGain();
      tone.type = "triangle";
      tone.frequency.value = hertz;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(0.5, at + 0.015);
      volume.gain.setValueAtTime(0.5, at + pattern.length - 0.03);
      volume.gain.linearRampToValueAtTime(0, at + pattern.length);
      tone.connect(volume).connect(context.destination);
      tone.start(at);
      tone.stop(at + pattern.length);
      at += pattern.length + 0.05;
    }
  }
}
