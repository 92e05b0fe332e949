/** A notebook's content as the recorder follows it: which cells and parts changed, and those changes as protocol. */
import type { ICell } from '@jupyterlab/nbformat';
import type { JSONValue } from '@lumino/coreutils';

import { CellTrack, type IBuilt } from './celltrack';
import type { IChunk } from './chunker';
import { textDigest } from './hash';
import type { IMergeResult } from './mergefile';
import { MetaTrack } from './metatrack';
import type { IOutboxWrite, IPart } from './outbox';
import type { ICellChange, IValue, Runs } from './protocol';
import { compress } from './runs';
import type { IYDocument, IYEvent, IYMap } from './shared';
import { valueForm } from './values';

/** One message carries no more than about this; a single cell is not split. */
export const MESSAGE_SIZE = 262_144;
/** A reset is one message whatever it holds, so that its longer strings go as chunks. */
const RESET_INLINE = 1_024;
const NOTHING = { cell: false, baseText: false };

/** What one edit carried, to be marked again should the server refuse it. */
export interface ITouched {
  readonly seq: number;
  cells: [CellTrack, readonly number[]][];
  order: boolean;
  meta: boolean;
}

/** What one edit message says, apart from whose it is. */
export interface IEditBody {
  seq: number;
  order?: Runs;
  meta?: IValue;
  cells: ICellChange[];
  chunks: IChunk[];
  touched: ITouched;
}

export interface IBuiltEdits {
  bodies: IEditBody[];
  write: Pick<IOutboxWrite, 'parts' | 'chunks' | 'keys' | 'outputs'>;
}

export class NotebookTrack {
  /**
   * `base`: keys of the first cells, which the server has; null when it has none. `hasBaseTexts`: their sources are
   * as in the base.
   */
  constructor(
    private readonly _doc: IYDocument,
    base: readonly number[] | null,
    hasBaseTexts: boolean,
    nextKey: number
  ) {
    this._meta = new MetaTrack(_doc.meta);
    this._nextKey = nextKey;
    const ycells = this._ycells;
    ycells.forEach((cell, index) => {
      const key = base?.[index];
      const track =
        key === undefined
          ? new CellTrack(this._nextKey++, cell, NOTHING)
          : new CellTrack(key, cell, { cell: true, baseText: hasBaseTexts });
      this._tracks.set(cell, track);
    });
    // A cell that the page added to an empty notebook is no edit; it goes along with the first one.
    this._isOrderDirty = ycells.length !== base?.length;
    // So does what JupyterLab makes of an older format when it reads it.
    this._meta.isDirty = base === null || this._meta.isOldFormat;
  }

  /** `read`: the cells as they were read, null where that does not matter; see CellTrack.compareTo. */
  compareTo(read: readonly (ICell | null)[]): void {
    const hasIds = this._meta.hasCellIds;
    this._present.forEach((track, index) => {
      const cell = read[index];
      if (cell && track.dirty.size === 0) {
        track.compareTo(cell, hasIds);
      }
    });
  }

  /** Take the events of one transaction. Returns whether they are an edit. `isAhead`: there were edits before. */
  take(events: readonly IYEvent[], isAhead: boolean): boolean {
    let isEdit = false;
    for (const event of events) {
      if (event.target === this._doc.cells) {
        isEdit = this._takeCells() || isAhead || isEdit;
        continue;
      }
      const index = event.path[0] as number;
      const cell = this._doc.cells.get(index) as IYMap | undefined;
      isEdit = (cell && this._tracks.get(cell)?.take(event)) || isEdit;
    }
    return isEdit;
  }

  takeMeta(): boolean {
    return this._meta.take();
  }

  /** Whether other cells stand where all of ours stood: the content was replaced. */
  get isReplaced(): boolean {
    return !this._ycells.some(cell => this._tracks.has(cell));
  }

  get keys(): number[] {
    return this._present.map(track => track.key);
  }

  /** Everything is to be sent. */
  markAll(): void {
    this._isOrderDirty = this._meta.isDirty = true;
    this._present.forEach(track => track.markAll());
  }

  /** What edits later than `seq` carried is to be sent again, whole. Returns whether there is any. */
  markSince(seq: number): boolean {
    let isFound = this._orderSeq > seq || this._meta.seq > seq;
    this._isOrderDirty ||= this._orderSeq > seq;
    this._meta.isDirty ||= this._meta.seq > seq;
    for (const track of this._present) {
      isFound = track.markSince(seq) || isFound;
      if (track.enteredAt !== null && track.enteredAt > seq) {
        track.enteredAt = null;
      }
    }
    return isFound;
  }

  /** Cells here (by index) that were edited after `seq`; null when their order or the metadata were. */
  cellsSince(seq: number): number[] | null {
    if (this._orderSeq > seq || this._meta.seq > seq) {
      return null;
    }
    return this._present.flatMap((track, index) =>
      track.isSince(seq) ? [index] : []
    );
  }

  /** The server has refused what these carried. */
  refused(touched: ITouched): void {
    this._isOrderDirty ||= touched.order;
    this._meta.isDirty ||= touched.meta;
    for (const [track, parts] of touched.cells) {
      track.markParts(parts);
      if (track.enteredAt === touched.seq) {
        track.enteredAt = null;
      }
    }
  }

  /** The server cannot use parts of this cell. */
  markCell(key: number): void {
    for (const track of this._present) {
      if (track.key === key) {
        track.markAll();
        track.enteredAt = null;
        this._isOrderDirty = true;
      }
    }
  }

  /** Sources that are the old base's and splices, with splices from after the save at `seq`: to be sent whole. */
  markLateOnBase(seq: number): boolean {
    const late = this._present.filter(track => track.isLateOnBase(seq));
    late.forEach(track => track.markSource());
    return late.length > 0;
  }

  /** Whether something is to be sent, an edit or not: what a starting kernel writes, what JupyterLab added. */
  get hasUnsent(): boolean {
    return (
      this._isOrderDirty ||
      this._meta.isDirty ||
      this._present.some(track => track.dirty.size > 0)
    );
  }

  /** SHA-256 over one line a cell, by which the server sees whether its journal holds the same. */
  digest(): string {
    const hasIds = this._meta.hasCellIds;
    const lines = this._present.map(track => track.line(hasIds) + '\n');
    return textDigest(lines.join(''));
  }

  /** Keys for the cells of a file: of those that are here (by index) theirs, of the others new ones. */
  keysOfFile(cells: readonly (number | null)[]): number[] {
    const keys = this.keys;
    return cells.map(index => (index === null ? this._nextKey++ : keys[index]));
  }

  /** Mark whole what is not as in the file, whose cells have these keys. Returns whether there is any. */
  markForBase(merged: IMergeResult, fileKeys: readonly number[]): boolean {
    const { differing, isMetaTheirs } = merged;
    const present = this._present;
    differing.forEach(index => present[index].markAll());
    const keys = this.keys;
    const isSameOrder =
      keys.length === fileKeys.length &&
      keys.every((key, index) => key === fileKeys[index]);
    this._isOrderDirty ||= !isSameOrder;
    this._meta.isDirty ||= !isMetaTheirs;
    return !isSameOrder || !isMetaTheirs || differing.length > 0;
  }

  /** The file holds everything up to `seq`, and is the base now. */
  rebased(seq: number): void {
    this._present.forEach(track => track.rebased(seq));
  }

  /** What is dirty, as one or more edits; it is clean afterwards. */
  build(
    newSeq: () => number,
    newRev: () => number,
    isReset: boolean
  ): IBuiltEdits {
    const write: IBuiltEdits['write'] = { parts: [], chunks: [], keys: null };
    const bodies = [emptyBody(newSeq())];
    const entered = new Set<CellTrack>();
    let body = bodies[0];
    let size = 0;
    const isOrderDirty = this._isOrderDirty;
    if (this._meta.isDirty) {
      this._buildMeta(body, write.parts);
    }
    for (const track of this._present) {
      if (track.dirty.size === 0) {
        continue;
      }
      const built = track.build(newRev, isReset ? RESET_INLINE : undefined);
      const added = sizeOf(built.change as unknown as JSONValue);
      if (!isReset && body.cells.length > 0 && size + added > MESSAGE_SIZE) {
        this._buildOrder(body, isOrderDirty, entered);
        body = emptyBody(newSeq());
        bodies.push(body);
        size = 0;
      }
      size += added;
      addCell(body, write, built);
      if (track.enteredAt === null) {
        entered.add(track);
      }
    }
    this._buildOrder(body, isOrderDirty, entered);
    if (isOrderDirty) {
      write.keys = this.keys;
      const value = { form: compress(write.keys) };
      write.parts.push({ key: -1, part: 0, seq: body.seq, value });
      this._isOrderDirty = false;
    }
    for (const { chunks } of bodies) {
      write.chunks.push(...chunks);
    }
    return { bodies, write };
  }

  /** The order so far: without the cells that later messages bring. */
  private _buildOrder(
    body: IEditBody,
    isOrderDirty: boolean,
    entered: ReadonlySet<CellTrack>
  ): void {
    if (!isOrderDirty) {
      return;
    }
    const known = this._present.filter(
      track => track.enteredAt !== null || entered.has(track)
    );
    body.order = compress(known.map(track => track.key));
    body.touched.order = true;
    this._orderSeq = body.seq;
    for (const [track] of body.touched.cells) {
      track.enteredAt ??= body.seq;
    }
  }

  private _buildMeta(body: IEditBody, parts: IPart[]): void {
    const { form, chunks } = valueForm(this._meta.content());
    const { seq } = body;
    body.meta = form;
    body.chunks.push(...chunks);
    body.touched.meta = true;
    parts.push({ key: -1, part: 1, seq, value: { form } });
    this._meta.isDirty = false;
    this._meta.seq = seq;
  }

  private _takeCells(): boolean {
    const wasEmpty = this._isEmpty;
    for (const cell of this._ycells) {
      if (!this._tracks.has(cell)) {
        this._tracks.set(cell, new CellTrack(this._nextKey++, cell, NOTHING));
      }
    }
    this._isOrderDirty = true;
    this._isEmpty = this._ycells.length === 0;
    // JupyterLab puts an empty cell into a notebook that has none.
    return !(wasEmpty && this._present.every(track => track.isBlank));
  }

  private get _ycells(): IYMap[] {
    return this._doc.cells.toArray() as IYMap[];
  }

  private get _present(): CellTrack[] {
    return this._ycells.flatMap(cell => this._tracks.get(cell) ?? []);
  }

  private _isEmpty = this._ycells.length === 0;
  private _isOrderDirty: boolean;
  private _meta: MetaTrack;
  private _nextKey: number;
  private _orderSeq = 0;
  private _tracks = new WeakMap<IYMap, CellTrack>();
}

function emptyBody(seq: number): IEditBody {
  const touched: ITouched = { seq, cells: [], order: false, meta: false };
  return { seq, cells: [], chunks: [], touched };
}

function addCell(
  body: IEditBody,
  write: IBuiltEdits['write'],
  built: IBuilt
): void {
  const { track, change, dirty, keep } = built;
  const { seq } = body;
  const { key } = track;
  track.sent(dirty, seq);
  body.cells.push(change);
  body.chunks.push(...built.chunks);
  body.touched.cells.push([track, dirty]);
  write.chunks.push(...built.ownChunks);
  write.parts.push(...keep.map(([part, value]) => ({ key, part, seq, value })));
  if (change.outputs) {
    write.outputs = { ...write.outputs, [key]: change.outputs.len };
  }
}

/** About as many characters as its JSON has. */
function sizeOf(value: JSONValue): number {
  if (typeof value === 'string') {
    return value.length + 3;
  }
  if (value === null || typeof value !== 'object') {
    return 8;
  }
  return Object.entries(value).reduce(
    (sum, [name, one]) => sum + name.length + sizeOf(one as JSONValue),
    2
  );
}
