/** Which rows of a long list are in the document. */
export interface Window {
  readonly first: number;
  readonly last: number;
}

/** `last` is exclusive; `overscan` rows more on both sides. */
export function visibleRows(scroll: number, height: number, row: number, count: number, overscan = 4): Window {
  const first = Math.max(0, Math.floor(scroll / row) - overscan);
  const last = Math.min(count, Math.ceil((scroll + height) / row) + overscan);
  return { first: Math.min(first, Math.max(0, last)), last };
}

/** The scroll position nearest to `scroll` that shows row `index` whole. */
export function scrollToShow(index: number, scroll: number, height: number, row: number): number {
  if (index * row < scroll) return index * row;
  if ((index + 1) * row > scroll + height) return (index + 1) * row - height;
  return scroll;
}
