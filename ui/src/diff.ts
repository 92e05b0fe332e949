/** What differs between two notebooks, cell by cell and line by line. Pure. */
import type {
  ICell,
  INotebookContent,
  IOutput,
  MultilineString
} from '@jupyterlab/nbformat';
import { JSONExt, type JSONObject, type JSONValue } from '@lumino/coreutils';

/** A pair of cells; one side is null when the cell was added or removed. */
export interface ICellPair {
  readonly kind: 'same' | 'changed' | 'added' | 'removed';
  readonly before: ICell | null;
  readonly after: ICell | null;
  /** Index in its notebook. */
  readonly beforeIndex: number | null;
  readonly afterIndex: number | null;
}

export interface ILine {
  readonly kind: 'same' | 'added' | 'removed' | 'gap';
  readonly text: string;
}

export function joined(text: MultilineString | undefined): string {
  return Array.isArray(text) ? text.join('') : (text ?? '');
}

export function outputsOf(cell: ICell): IOutput[] {
  return Array.isArray(cell.outputs) ? (cell.outputs as IOutput[]) : [];
}

/** A cell without what is noise: trust, and the id that notebooks below 4.5 get anew at each load. */
function essence(cell: ICell): JSONValue {
  const {
    id: _,
    metadata,
    source,
    ...rest
  } = cell as unknown as JSONObject & ICell;
  const { trusted: __, ...kept } = (metadata ?? {}) as JSONObject;
  return joinLines({
    ...(rest as JSONObject),
    metadata: kept,
    source: joined(source)
  });
}

/** nbformat allows each text as a string or as a list of its lines. */
function joinLines(value: JSONValue): JSONValue {
  if (Array.isArray(value)) {
    const isText =
      value.length > 0 && value.every(item => typeof item === 'string');
    return isText ? value.join('') : value.map(joinLines);
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(
      ([, item]) => item !== undefined
    );
    return Object.fromEntries(
      entries.map(([key, item]) => [key, joinLines(item)])
    );
  }
  return value;
}

export function isSameCell(a: ICell, b: ICell): boolean {
  return JSONExt.deepEqual(essence(a), essence(b));
}

/** Whether two notebooks say the same, trust and cell ids aside. */
export function isSameNotebook(a: unknown, b: unknown): boolean {
  const [left, right] = [a, b] as [
    INotebookContent | null,
    INotebookContent | null
  ];
  if (!Array.isArray(left?.cells) || !Array.isArray(right?.cells)) {
    return false;
  }
  return (
    left.cells.length === right.cells.length &&
    left.cells.every((cell, index) => isSameCell(cell, right.cells[index])) &&
    JSONExt.deepEqual(left.metadata as JSONObject, right.metadata as JSONObject)
  );
}

/** Longest common subsequence, as pairs of indexes. Common ends are cut first; gives up beyond `limit` steps. */
export function common<T>(
  a: readonly T[],
  b: readonly T[],
  same: (x: T, y: T) => boolean,
  limit = 4_000_000
): [number, number][] {
  let start = 0;
  while (start < a.length && start < b.length && same(a[start], b[start])) {
    start++;
  }
  let tail = 0;
  while (
    tail < a.length - start &&
    tail < b.length - start &&
    same(a[a.length - 1 - tail], b[b.length - 1 - tail])
  ) {
    tail++;
  }
  const rows = a.length - start - tail;
  const columns = b.length - start - tail;
  const pairs: [number, number][] = [];
  for (let i = 0; i < start; i++) {
    pairs.push([i, i]);
  }
  if (rows > 0 && columns > 0 && rows * columns <= limit) {
    const width = columns + 1;
    const table = new Uint32Array((rows + 1) * width);
    for (let i = rows - 1; i >= 0; i--) {
      for (let j = columns - 1; j >= 0; j--) {
        table[i * width + j] = same(a[start + i], b[start + j])
          ? table[(i + 1) * width + j + 1] + 1
          : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
      }
    }
    for (let i = 0, j = 0; i < rows && j < columns;) {
      if (same(a[start + i], b[start + j])) {
        pairs.push([start + i++, start + j++]);
      } else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) {
        i++;
      } else {
        j++;
      }
    }
  }
  for (let i = tail; i > 0; i--) {
    pairs.push([a.length - i, b.length - i]);
  }
  return pairs;
}

/** Pair the cells of two notebooks: by id when both have unique ones, else by content, then by type in between. */
export function pairCells(
  before: readonly ICell[],
  after: readonly ICell[]
): ICellPair[] {
  const byId = hasUniqueIds(before) && hasUniqueIds(after);
  const keys = (cells: readonly ICell[]) =>
    cells.map(cell => (byId ? String(cell.id) : JSON.stringify(essence(cell))));
  const anchors = common(keys(before), keys(after), (x, y) => x === y);
  const pairs: ICellPair[] = [];
  let [i, j] = [0, 0];
  const pair = (x: number, y: number) =>
    pairs.push({
      kind: isSameCell(before[x], after[y]) ? 'same' : 'changed',
      before: before[x],
      after: after[y],
      beforeIndex: x,
      afterIndex: y
    });
  for (const [x, y] of [...anchors, [before.length, after.length]]) {
    while (
      !byId &&
      i < x &&
      j < y &&
      before[i].cell_type === after[j].cell_type
    ) {
      pair(i++, j++);
    }
    for (; i < x; i++) {
      pairs.push({
        kind: 'removed',
        before: before[i],
        after: null,
        beforeIndex: i,
        afterIndex: null
      });
    }
    for (; j < y; j++) {
      pairs.push({
        kind: 'added',
        before: null,
        after: after[j],
        beforeIndex: null,
        afterIndex: j
      });
    }
    if (x < before.length && y < after.length) {
      pair(i++, j++);
    }
  }
  return pairs;
}

function hasUniqueIds(cells: readonly ICell[]): boolean {
  const ids = cells.map(cell => cell.id);
  return (
    ids.every(id => typeof id === 'string') && new Set(ids).size === ids.length
  );
}

/** Line by line, with `context` unchanged lines around each change and a gap in between. */
export function diffLines(before: string, after: string, context = 3): ILine[] {
  const [a, b] = [before.split('\n'), after.split('\n')];
  const all: ILine[] = [];
  let [i, j] = [0, 0];
  for (const [x, y] of [
    ...common(a, b, (p, q) => p === q),
    [a.length, b.length]
  ]) {
    for (; i < x; i++) {
      all.push({ kind: 'removed', text: a[i] });
    }
    for (; j < y; j++) {
      all.push({ kind: 'added', text: b[j] });
    }
    if (x < a.length) {
      all.push({ kind: 'same', text: a[x] });
    }
    [i, j] = [x + 1, y + 1];
  }
  const near = new Uint8Array(all.length);
  all.forEach((line, at) => {
    if (line.kind !== 'same') {
      near.fill(1, Math.max(0, at - context), at + context + 1);
    }
  });
  const lines: ILine[] = [];
  all.forEach((line, at) => {
    if (near[at]) {
      lines.push(line);
    } else if (lines[lines.length - 1]?.kind !== 'gap') {
      lines.push({ kind: 'gap', text: '' });
    }
  });
  return lines;
}
