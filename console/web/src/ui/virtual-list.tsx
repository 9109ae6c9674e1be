/** A list of which only the rows in sight are in the document: 10 000 alarms are some twenty rows. */
import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { scrollToShow, visibleRows } from "../core/window";

interface Props {
  count: number;
  row: number;
  label: string;
  role?: "listbox" | "list";
  /** The row to keep in sight, -1 for none. */
  focus?: number;
  activeId?: string;
  children: (index: number) => ComponentChildren;
  empty: ComponentChildren;
  onKeyDown?: (event: KeyboardEvent) => void;
  onBlur?: () => void;
}

export function VirtualList(props: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState(0);
  const [height, setHeight] = useState(0);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    setHeight(element.clientHeight);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element || props.focus === undefined || props.focus < 0) return;
    const wanted = scrollToShow(props.focus, element.scrollTop, element.clientHeight, props.row);
    if (wanted !== element.scrollTop) element.scrollTop = wanted;
  }, [props.focus, props.row]);

  const { first, last } = visibleRows(scroll, height, props.row, props.count);
  const rows: ComponentChildren[] = [];
  for (let index = first; index < last; index++) rows.push(props.children(index));
  return (
    <div
      ref={box}
      class="virtual"
      role={props.role ?? "list"}
      aria-label={props.label}
      aria-activedescendant={props.activeId}
      tabIndex={0}
      onScroll={(event) => setScroll(event.currentTarget.scrollTop)}
      onKeyDown={props.onKeyDown}
      onBlur={props.onBlur}
    >
      {props.count === 0 ? (
        props.empty
      ) : (
        <div class="virtual-space" style={{ height: `${props.count * props.row}px` }}>
          <div class="virtual-rows" style={{ transform: `translateY(${first * props.row}px)` }}>
            {rows}
          </div>
        </div>
      )}
    </div>
  );
}
