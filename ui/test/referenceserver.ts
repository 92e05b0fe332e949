/** A server by the letter of docs/reference/protocol.md, in memory. */
import { decodeChunk } from '../src/chunker';
import { sha256Hex, textDigest } from '../src/hash';
import type {
  ClientMessage,
  ICellChange,
  IEdit,
  IHead,
  IOpen,
  ISaved,
  ITextChange,
  IValue,
  Path,
  Runs,
  ServerMessage,
  Text
} from '../src/protocol';
import { spliced } from '../src/splices';

/* The content of notebooks is any JSON here. */
export type Json = null | boolean | number | string | Json[] | IJsonObject;
export interface IJsonObject {
  [name: string]: Json;
}

interface IStoredText {
  text: string;
  rev: number | null;
  /** It is the base's and splices. */
  isOnBase: boolean;
}

interface IStoredOutput {
  json: Json;
  /** By path as JSON. */
  long: Map<string, IStoredText>;
}

interface IStoredCell {
  head?: IHead;
  source?: IStoredText;
  metadata?: Json;
  attachments?: Json;
  outputs: Map<number, IStoredOutput>;
  length?: number;
}

interface IWorkingCopy {
  /** Something of it is on disk. One that was only opened is not known later. */
  isKept: boolean;
  savedSeq: number;
  epoch: number;
  base: string | null;
  baseOrder: number[];
  seq: number;
  order?: number[];
  meta?: Json;
  cells: Map<number, IStoredCell>;
  stamps: Map<string, number>;
}

/** A refusal, as the protocol has it. */
export class Refusal extends Error {
  constructor(
    readonly error: string,
    readonly fields: { key?: number; hashes?: string[] } = {}
  ) {
    super(error);
  }
}

export function expand(runs: Runs): number[] {
  return runs.flatMap(([first, count]) =>
    Array.from({ length: count }, (_, index) => first + index)
  );
}

export class ReferenceServer {
  /** Files by their hash: what may be a base. */
  readonly files = new Map<string, IJsonObject>();
  readonly chunks = new Map<string, string>();
  copies = new Map<string, IWorkingCopy>();
  readonly closed = new Map<string, string>();

  /** Keep what somebody saved; its hash. */
  write(content: IJsonObject): string {
    const hash = textDigest(JSON.stringify(content));
    this.files.set(hash, structuredClone(content));
    return hash;
  }

  /** The working copies as they are now, to come back to. */
  snapshot(): Map<string, IWorkingCopy> {
    return new Map([...this.copies].map(([wc, one]) => [wc, duplicate(one)]));
  }

  store(hash: string, bytes: Uint8Array): void {
    if (sha256Hex(bytes) !== hash) {
      throw new Error('these bytes have another hash');
    }
    this.chunks.set(hash, decodeChunk(bytes));
  }

  /** The answer to a message. */
  take(message: ClientMessage): ServerMessage {
    const wc = 'wc' in message ? message.wc : '';
    try {
      return this._take(message);
    } catch (reason) {
      if (!(reason instanceof Refusal)) {
        throw reason;
      }
      const seq = 'seq' in message ? message.seq : 0;
      const { error, fields } = reason;
      return { t: 'nack', wc, seq, error, message: error, ...fields };
    }
  }

  /** The notebook that a working copy stands for; `trusted` left out. */
  materialise(wc: string): IJsonObject {
    const copy = this._copy(wc);
    const base = copy.base === null ? null : this._file(copy.base);
    const meta = copy.meta as IJsonObject | undefined;
    const order = copy.order ?? copy.baseOrder;
    return {
      nbformat: (meta ?? base)?.nbformat ?? null,
      nbformat_minor: (meta ?? base)?.nbformat_minor ?? null,
      metadata: (meta ?? base)?.metadata ?? null,
      cells: order.map(key => this._cell(copy, key))
    };
  }

  private _take(message: ClientMessage): ServerMessage {
    switch (message.t) {
      case 'hello':
        return {
          t: 'welcome',
          server: 's',
          store: 'store',
          root: 'root',
          journal: true,
          problems: []
        };
      case 'ping':
        return { t: 'pong', n: message.n };
      case 'have': {
        const hashes = message.hashes.filter(hash => !this.chunks.has(hash));
        return { t: 'want', id: message.id, hashes };
      }
      case 'open':
        return this._open(message);
      case 'edit':
        return { t: 'ack', wc: message.wc, seq: this._edit(message) };
      case 'saved':
        this._saved(message);
        return { t: 'ack', wc: message.wc, seq: message.seq, saved: true };
      case 'renamed':
        return { t: 'ack', wc: message.wc, seq: 0, renamed: true };
      case 'closed':
        this.closed.set(message.wc, message.how);
        return { t: 'ack', wc: message.wc, seq: 0, closed: true };
      case 'save':
        throw new Refusal('not_local');
    }
  }

  private _open(message: IOpen): ServerMessage {
    const { wc } = message;
    const found = this.copies.get(wc);
    if (found && message.epoch < found.epoch) {
      throw new Refusal('superseded');
    }
    const known = found?.isKept ?? false;
    if (!known) {
      const cells = message.base === null ? 0 : message.cells;
      this.copies.set(wc, {
        isKept: false,
        savedSeq: 0,
        epoch: message.epoch,
        base: message.base,
        baseOrder: Array.from({ length: cells }, (_, index) => index),
        seq: 0,
        cells: new Map(),
        stamps: new Map()
      });
    }
    const { seq: acked, savedSeq: saved } =
      known && found ? found : { seq: 0, savedSeq: 0 };
    return { t: 'opened', wc, acked, saved, known };
  }

  /** The last edit that it has. */
  private _edit(edit: IEdit): number {
    const missing = [...chunksOf(edit)].filter(hash => !this.chunks.has(hash));
    if (missing.length > 0) {
      throw new Refusal('blob_unknown', { hashes: missing });
    }
    const found = this._current(edit.wc, edit.epoch);
    if (edit.seq <= found.seq) {
      return found.seq;
    }
    // On a copy: what is refused changes nothing.
    const copy = duplicate(found);
    if (edit.reset) {
      copy.base = null;
      copy.baseOrder = [];
      copy.order = copy.meta = undefined;
      copy.cells.clear();
      copy.stamps.clear();
    }
    const before = new Set(copy.order ?? copy.baseOrder);
    if (edit.order) {
      copy.order = expand(edit.order);
      copy.stamps.set('order', edit.seq);
    }
    const keys = new Set(copy.order ?? copy.baseOrder);
    const changes = new Map((edit.cells ?? []).map(one => [one.key, one]));
    for (const key of keys) {
      if (!before.has(key) && !isWhole(changes.get(key))) {
        throw new Refusal('stale_part', { key });
      }
    }
    for (const key of [...copy.cells.keys()]) {
      if (!keys.has(key)) {
        copy.cells.delete(key);
      }
    }
    if (edit.meta) {
      copy.meta = this._value(edit.meta);
      copy.stamps.set('meta', edit.seq);
    }
    for (const change of edit.cells ?? []) {
      if (!before.has(change.key)) {
        copy.cells.delete(change.key);
      }
      if (keys.has(change.key)) {
        this._change(copy, change, edit.seq);
      }
    }
    copy.isKept = true;
    copy.seq = edit.seq;
    copy.epoch = edit.epoch;
    this.copies.set(edit.wc, copy);
    return copy.seq;
  }

  private _change(copy: IWorkingCopy, change: ICellChange, seq: number): void {
    const { key } = change;
    const stamp = (part: string) => copy.stamps.set(`${part} ${key}`, seq);
    const cell: IStoredCell = copy.cells.get(key) ?? { outputs: new Map() };
    copy.cells.set(key, cell);
    if (change.head) {
      cell.head = change.head;
      stamp('head');
    }
    if (change.source !== undefined) {
      cell.source = this._text(change.source, cell.source, copy, key);
      stamp('source');
    }
    if (change.metadata) {
      cell.metadata = this._value(change.metadata);
      stamp('metadata');
    }
    if (change.attachments !== undefined) {
      cell.attachments = change.attachments && this._value(change.attachments);
      stamp('attachments');
    }
    if (!change.outputs) {
      return;
    }
    const { len, set } = change.outputs;
    const whole = new Set(
      set.flatMap(([i, one]) => ('json' in one ? [i] : []))
    );
    for (let index = cell.length ?? len; index < len; index++) {
      if (!whole.has(index)) {
        throw new Refusal('stale_part', { key });
      }
    }
    for (const index of [...cell.outputs.keys()]) {
      if (index >= len) {
        cell.outputs.delete(index);
      }
    }
    for (const [index, one] of set) {
      if (index >= len) {
        throw new Refusal('malformed');
      }
      if ('json' in one) {
        const long = (one.long ?? []).map(
          ([path, text]): [string, IStoredText] => [
            JSON.stringify(path),
            this._text(text, undefined, copy, key)
          ]
        );
        const json = one.json as Json;
        cell.outputs.set(index, { json, long: new Map(long) });
      } else {
        const output = cell.outputs.get(index);
        for (const [path, text] of one.patch) {
          const name = JSON.stringify(path);
          const old = output?.long.get(name);
          if (!output || !old) {
            throw new Refusal('stale_part', { key });
          }
          output.long.set(name, this._text(text, old, copy, key));
        }
      }
      stamp(`output${index}`);
    }
    cell.length = len;
    stamp('length');
  }

  private _text(
    text: Text,
    old: IStoredText | undefined,
    copy: IWorkingCopy,
    key: number
  ): IStoredText {
    if (typeof text === 'string') {
      return { text, rev: null, isOnBase: false };
    }
    if ('text' in text) {
      return { text: text.text, rev: text.rev, isOnBase: false };
    }
    if ('chunks' in text) {
      return {
        text: this._joined(text.chunks),
        rev: text.rev ?? null,
        isOnBase: false
      };
    }
    return this._spliced(text, old, copy, key);
  }

  private _spliced(
    change: ITextChange,
    old: IStoredText | undefined,
    copy: IWorkingCopy,
    key: number
  ): IStoredText {
    const isOnBase = typeof change.of === 'string';
    let start: string;
    if (isOnBase) {
      start = sourceOf(this._baseCell(copy, key));
      if (`base:${textDigest(start)}` !== change.of) {
        throw new Error('the base has another text: a defect of the page');
      }
    } else {
      if (!old || old.rev !== change.of) {
        throw new Refusal('stale_part', { key });
      }
      start = old.text;
    }
    const text = spliced(start, change.splices);
    if (text.length !== change.len) {
      throw new Error('another length than announced: a defect of the page');
    }
    return { text, rev: change.rev, isOnBase: isOnBase || old!.isOnBase };
  }

  private _saved(saved: ISaved): void {
    const copy = this._current(saved.wc, saved.epoch);
    if (saved.hash !== null) {
      const isNewer = (part: string) =>
        (copy.stamps.get(part) ?? 0) > saved.seq;
      for (const [key, cell] of copy.cells) {
        if (isNewer(`source ${key}`) && cell.source?.isOnBase) {
          throw new Refusal('stale_part', { key });
        }
      }
      copy.order = isNewer('order') ? copy.order : undefined;
      copy.meta = isNewer('meta') ? copy.meta : undefined;
      for (const [key, cell] of copy.cells) {
        for (const part of [
          'head',
          'source',
          'metadata',
          'attachments'
        ] as const) {
          if (!isNewer(`${part} ${key}`)) {
            delete cell[part];
          }
        }
        const hasLength = isNewer(`length ${key}`);
        for (const index of [...cell.outputs.keys()]) {
          if (!hasLength || !isNewer(`output${index} ${key}`)) {
            cell.outputs.delete(index);
          }
        }
        cell.length = hasLength ? cell.length : undefined;
      }
      copy.base = saved.hash;
      copy.baseOrder = expand(saved.order);
      if (copy.baseOrder.length !== saved.cells) {
        throw new Error('cells is not the number of keys');
      }
    }
    copy.isKept = true;
    copy.seq = Math.max(copy.seq, saved.seq);
    copy.savedSeq = Math.max(copy.savedSeq, saved.seq);
    copy.epoch = saved.epoch;
  }

  private _cell(copy: IWorkingCopy, key: number): IJsonObject {
    const cell = copy.cells.get(key);
    const isInBase = copy.baseOrder.includes(key) && copy.base !== null;
    const base = isInBase ? this._baseCell(copy, key) : {};
    const head = cell?.head;
    const type = head?.cell_type ?? base.cell_type;
    const result: IJsonObject = {
      cell_type: type,
      source: cell?.source?.text ?? sourceOf(base),
      metadata: withoutTrust(cell?.metadata ?? base.metadata)
    };
    const id = head ? head.id : (base.id ?? null);
    if (id !== null) {
      result.id = id;
    }
    const attachments =
      cell?.attachments === undefined ? base.attachments : cell.attachments;
    if (type !== 'code') {
      if (attachments) {
        result.attachments = attachments;
      }
      return result;
    }
    result.execution_count = head
      ? head.execution_count
      : (base.execution_count ?? null);
    const old = (base.outputs ?? []) as Json[];
    const length = cell?.length ?? old.length;
    result.outputs = Array.from({ length }, (_, index) => {
      const stored = cell?.outputs.get(index);
      if (!stored) {
        if (index >= old.length) {
          throw new Error(`output ${index} of cell ${key} is nowhere`);
        }
        return old[index];
      }
      const json = structuredClone(stored.json);
      for (const [path, { text }] of stored.long) {
        place(json, JSON.parse(path) as Path, text);
      }
      return json;
    });
    return result;
  }

  private _value(value: IValue): Json {
    const holder = { value: structuredClone(value.json) as Json };
    for (const [path, text] of value.long ?? []) {
      const whole =
        typeof text === 'string'
          ? text
          : 'text' in text
            ? text.text
            : this._joined(text.chunks);
      place(holder, ['value', ...path], whole);
    }
    return holder.value;
  }

  private _joined(refs: readonly [string, number][]): string {
    return refs
      .map(([hash, length]) => {
        const text = this.chunks.get(hash)!;
        if (text.length !== length) {
          throw new Error('a chunk has another length than announced');
        }
        return text;
      })
      .join('');
  }

  private _baseCell(copy: IWorkingCopy, key: number): IJsonObject {
    const index = copy.baseOrder.indexOf(key);
    const file = copy.base === null ? null : this._file(copy.base);
    const cell = (file?.cells as IJsonObject[] | undefined)?.[index];
    if (!cell) {
      throw new Error(`cell ${key} is not in the base: a defect of the page`);
    }
    return cell;
  }

  private _file(hash: string): IJsonObject {
    const file = this.files.get(hash);
    if (!file) {
      throw new Error('no file has had this hash: a defect of the page');
    }
    return file;
  }

  private _copy(wc: string): IWorkingCopy {
    const copy = this.copies.get(wc);
    if (!copy) {
      throw new Refusal('unknown_working_copy');
    }
    return copy;
  }

  private _current(wc: string, epoch: number): IWorkingCopy {
    const copy = this._copy(wc);
    if (epoch < copy.epoch) {
      throw new Refusal('superseded');
    }
    return copy;
  }
}

/** Texts are shared: a stream of megabytes is not copied with every edit. */
function duplicate(copy: IWorkingCopy): IWorkingCopy {
  const output = ({ json, long }: IStoredOutput) => ({
    json,
    long: new Map(long)
  });
  const cell = (one: IStoredCell) => ({
    ...one,
    outputs: new Map([...one.outputs].map(([i, value]) => [i, output(value)]))
  });
  return {
    ...copy,
    cells: new Map([...copy.cells].map(([key, one]) => [key, cell(one)])),
    stamps: new Map(copy.stamps)
  };
}

function isWhole(change: ICellChange | undefined): boolean {
  return (
    change?.head !== undefined &&
    change.source !== undefined &&
    change.metadata !== undefined &&
    (change.head.cell_type !== 'code' || change.outputs !== undefined)
  );
}

function sourceOf(cell: IJsonObject): string {
  const { source } = cell;
  return Array.isArray(source) ? source.join('') : (source as string);
}

export function withoutTrust(metadata: Json): IJsonObject {
  const { trusted: _, ...rest } = (metadata ?? {}) as IJsonObject;
  return rest;
}

function place(holder: unknown, path: Path, text: string): void {
  let at = holder as Record<string | number, unknown>;
  for (const step of path.slice(0, -1)) {
    at = at[step] as Record<string | number, unknown>;
  }
  if (at[path[path.length - 1]] !== null) {
    throw new Error('a lifted string leaves null behind');
  }
  at[path[path.length - 1]] = text;
}

/** Every chunk that is named anywhere in it. */
function chunksOf(value: unknown, found = new Set<string>()): Set<string> {
  if (value !== null && typeof value === 'object') {
    for (const [name, one] of Object.entries(value)) {
      if (name === 'chunks' && Array.isArray(one)) {
        one.forEach(ref => found.add((ref as [string, number])[0]));
      } else {
        chunksOf(one, found);
      }
    }
  }
  return found;
}
