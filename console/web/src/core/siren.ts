/** What sounds: the highest unacknowledged alarm that nobody at this console has silenced. Pure: no audio in here. */
import { type Alarm, isUnacknowledged, shownTier, type Tier } from "./types";

export type SoundState = "quiet" | "sounding" | "silenced" | "blocked";

export class Siren {
  private readonly ringing = new Map<string, Tier>();
  private readonly silenced = new Set<string>();

  /** One alarm changed. A new one, one that rose and one that came back sound again, whatever was silenced. */
  observe(before: Alarm | undefined, after: Alarm | undefined): void {
    const id = (after ?? before)?.id ?? "";
    if (!after || !isUnacknowledged(after)) {
      this.ringing.delete(id);
      this.silenced.delete(id);
      return;
    }
    const tier = shownTier(after);
    const anew =
      !before || before.episode !== after.episode || !isUnacknowledged(before) || tier < shownTier(before);
    if (anew) this.silenced.delete(id);
    this.ringing.set(id, tier);
  }

  silence(): void {
    for (const id of this.ringing.keys()) this.silenced.add(id);
  }

  /** The tier whose tone is due, null when none. */
  get tier(): Tier | null {
    let highest: Tier | null = null;
    for (const [id, tier] of this.ringing) {
      if (!this.silenced.has(id) && (highest === null || tier < highest)) highest = tier;
    }
    return highest;
  }

  /** Everything that would sound was silenced. */
  get isSilenced(): boolean {
    return this.ringing.size > 0 && this.tier === null;
  }
}

export function soundState(siren: Siren, audible: boolean): SoundState {
  if (!audible) return "blocked";
  if (siren.tier !== null) return "sounding";
  return siren.isSilenced ? "silenced" : "quiet";
}
