/** One cell of a working copy: which of its parts are dirty, and what the server has of its long texts. */
import type { ICell } from '@jupyterlab/nbformat';
import { JSONExt, type JSONObject, type JSONValue } from '@lumino/coreutils';

import type { IChunk } from './chunker';
import type { ICellChange, IHead, IValue, IValuePatch } from './protocol';
import type { IDelta, IYArray, IYEvent, IYMap, IYText } from './shared';
import { isYText, plain, splicesOf } from './shared';
import type { IKeptText } from './texttrack';
import { TextTrack } from './texttrack';
import { valueForm } from './values';

export const HEAD = 0;
export const SOURCE = 1;
export const METADATA = 2;
export const ATTACHMENTS = 3;
/** Number of outputs. */
export const OUTPUTS = 4;
/** Part of the first output; the others follow. */
export const OUTPUT = 5;

/** What the outbox keeps of one part: its form on the wire, or for a text changed in place where it starts from. */
export type KeptPart =
  { form: unknown } | { kept: IKeptText; json?: JSONObject };

export interface IBuilt {
  readonly track: CellTrack;
  /** The parts that were dirty. */
  readonly dirty: readonly number[];
  readonly change: ICellChange;
  chunks: IChunk[];
  /** [part, what to keep of it]. */
  keep: [number, KeptPart][];
  /** Chunks that only the outbox needs. */
  ownChunks: IChunk[];
  readonly newRev: () => number;
  readonly inlineBelow?: number;
}

/** Splices that the outbox takes before it starts anew from a whole text. */
const KEPT_SPLICES_SIZE = 65_536;

class OutputTrack {
  readonly text = new TextTrack();
  /** Something other than a stream's text changed. */
  isWhole = true;
}

export class CellTrack {
  constructor(
    readonly key: number,
    readonly ycell: IYMap,
    /** Whether the server has this cell, and whether its source is the base's. */
    has: { cell: boolean; baseText: boolean }
  ) {
    const outputs = this._youtputs;
    this._outputs = Array.from(
      { length: outputs?.length ?? 0 },
      () => new OutputTrack()
    );
    if (has.cell) {
      this.enteredAt = 0;
      const isKnown = has.baseText && this.isSourceText;
      this._source = new TextTrack(
        isKnown ? this.ysource.toString() : undefined
      );
      this._outputs.forEach(one => (one.isWhole = false));
    } else {
      this.markAll();
    }
  }

  /** Seq of the last edit that carried a part; by part. */
  readonly seqs = new Map<number, number>();
  /** Parts to send. */
  readonly dirty = new Set<number>();
  /** The edit that put the cell into the server's list of cells, 0 for the base; null when it is not there. */
  enteredAt: number | null = null;

  get ysource(): IYText {
    return this.ycell.get('source') as IYText;
  }

  get isSourceText(): boolean {
    return isYText(this.ycell.get('source'));
  }

  /** Whether the source is the base's and splices, with splices from after edit `seq`. */
  isLateOnBase(seq: number): boolean {
    return this._source.isOnBase && (this.seqs.get(SOURCE) ?? 0) > seq;
  }

  /** An empty code cell that was never run. */
  get isBlank(): boolean {
    return (
      this.isCode &&
      String(this.ycell.get('source')) === '' &&
      this._outputs.length === 0
    );
  }

  get isCode(): boolean {
    return this.ycell.get('cell_type') === 'code';
  }

  /**
   * Compare with what was read: what JupyterLab has made otherwise of it (an id that it gave, metadata that it
   * derived) is no edit, but goes along with one, so that the file holds what the page holds.
   */
  compareTo(read: ICell, hasIds: boolean): void {
    const { id, ...head } = this._head();
    const { trusted: _, ...metadata } = read.metadata as JSONObject;
    if (!JSONExt.deepEqual(this._metadata(), metadata)) {
      this.dirty.add(METADATA);
    }
    const isHead =
      head.cell_type === read.cell_type &&
      (!hasIds || id === (read.id ?? null));
    if (!isHead) {
      this.dirty.add(HEAD);
    }
  }

  /** What a save's digest says of it (docs/reference/protocol.md, "Saving"). */
  line(hasIds: boolean): string {
    const { ycell } = this;
    const source = ycell.get('source') as IYText | string | undefined;
    const id = hasIds ? ((ycell.get('id') as string | undefined) ?? '') : '';
    const count = this._head().execution_count ?? '';
    const outputs = this.isCode ? (this._youtputs?.length ?? 0) : 0;
    const length = source?.length ?? 0;
    const type = String(ycell.get('cell_type'));
    return `${id}|${type}|${length}|${outputs}|${count}`;
  }

  /** Send everything. */
  markAll(): void {
    this._source.reset();
    for (const part of [HEAD, SOURCE, METADATA, ATTACHMENTS]) {
      this.dirty.add(part);
    }
    if (this.isCode) {
      this.dirty.add(OUTPUTS);
      this._outputs.forEach((_, index) => this._markOutput(index));
    }
  }

  /** Send whole what an edit later than `seq` carried. Returns whether there is any. */
  markSince(seq: number): boolean {
    let found = false;
    for (const [part, last] of this.seqs) {
      if (last > seq) {
        found = true;
        this._markWhole(part);
      }
    }
    return found;
  }

  /** Whether any part of it was in an edit after `seq`. */
  isSince(seq: number): boolean {
    return [...this.seqs.values()].some(last => last > seq);
  }

  /** Send the source again, whole. */
  markSource(): void {
    this._markWhole(SOURCE);
  }

  /** Send these parts again, whole. */
  markParts(parts: Iterable<number>): void {
    for (const part of parts) {
      this._markWhole(part);
    }
  }

  /** The file holds everything up to `seq`, and is the base now. */
  rebased(seq: number): void {
    const isNewer = (part: number) => (this.seqs.get(part) ?? 0) > seq;
    if (!isNewer(SOURCE)) {
      // Dirty: neither the base's nor the journal's; then it goes whole.
      this._source = new TextTrack(
        this.isSourceText && !this.dirty.has(SOURCE)
          ? this.ysource.toString()
          : undefined
      );
    }
    this._outputs.forEach((one, index) => {
      if (!isNewer(OUTPUT + index)) {
        one.text.reset();
      }
    });
    for (const part of [...this.seqs.keys()]) {
      if (!isNewer(part)) {
        this.seqs.delete(part);
      }
    }
  }

  /** Take an event below this cell. Returns whether it is an edit; noise is sent along with the next one. */
  take(event: IYEvent): boolean {
    const [, name, index, inner] = event.path;
    if (name === undefined) {
      return this._takeKeys(event.keysChanged ?? new Set());
    }
    if (name === 'source') {
      this._source.changed(splicesOf(event.changes.delta), this.ysource.length);
      this.dirty.add(SOURCE);
      return true;
    }
    if (name === 'metadata') {
      return this._takeMetadata(event);
    }
    if (name !== 'outputs') {
      return false;
    }
    if (index === undefined) {
      this._takeOutputs(event.changes.delta);
    } else if (inner === 'text' && isYText(event.target)) {
      this._outputs[index as number]?.text.changed(
        splicesOf(event.changes.delta),
        event.target.length
      );
      this.dirty.add(OUTPUT + (index as number)).add(OUTPUTS);
    } else {
      this._markOutput(index as number);
    }
    return true;
  }

  /** The dirty parts as protocol; they are clean afterwards. Strings from `inlineBelow` on become chunks. */
  build(newRev: () => number, inlineBelow?: number): IBuilt {
    const built: IBuilt = {
      track: this,
      dirty: [...this.dirty],
      change: { key: this.key },
      chunks: [],
      keep: [],
      ownChunks: [],
      newRev,
      inlineBelow
    };
    const { change } = built;
    if (this.dirty.has(HEAD)) {
      change.head = this._head();
      built.keep.push([HEAD, { form: change.head }]);
    }
    if (this.dirty.has(SOURCE)) {
      this._buildSource(built);
    }
    if (this.dirty.has(METADATA)) {
      change.metadata = this._value(this._metadata(), built);
      built.keep.push([METADATA, { form: change.metadata }]);
    }
    if (this.dirty.has(ATTACHMENTS)) {
      const attachments = plain(this.ycell.get('attachments') ?? null);
      change.attachments =
        attachments === null ? null : this._value(attachments, built);
      built.keep.push([ATTACHMENTS, { form: change.attachments }]);
    }
    if (this.dirty.has(OUTPUTS)) {
      this._buildOutputs(built);
    }
    this.dirty.clear();
    return built;
  }

  /** Edit `seq` carries these parts. */
  sent(parts: readonly number[], seq: number): void {
    for (const part of parts) {
      this.seqs.set(part, seq);
    }
  }

  private get _youtputs(): IYArray | null {
    const outputs = this.ycell.get('outputs');
    return outputs ? (outputs as IYArray) : null;
  }

  private _takeKeys(keys: Set<string>): boolean {
    let isEdit = false;
    for (const key of keys) {
      if (key === 'attachments') {
        this.dirty.add(ATTACHMENTS);
      } else if (key === 'metadata') {
        this.dirty.add(METADATA).add(HEAD);
      } else if (key === 'outputs' || key === 'source') {
        this.markAll();
      } else if (
        key === 'execution_count' ||
        key === 'id' ||
        key === 'cell_type'
      ) {
        this.dirty.add(HEAD);
      } else {
        continue; // Execution state and the like are not in the file.
      }
      isEdit = true;
    }
    return isEdit;
  }

  private _takeMetadata(event: IYEvent): boolean {
    const keys =
      event.path.length === 2 ? [...(event.keysChanged ?? [])] : ['nested'];
    if (keys.includes('trusted')) {
      this.dirty.add(HEAD);
    }
    if (keys.some(key => key !== 'trusted')) {
      this.dirty.add(METADATA);
      return true;
    }
    return false;
  }

  private _takeOutputs(delta: readonly IDelta[]): void {
    let index = 0;
    let shift = 0;
    for (const step of delta) {
      if (step.insert) {
        const fresh = Array.from(
          { length: step.insert.length },
          () => new OutputTrack()
        );
        this._outputs.splice(index, 0, ...fresh);
        fresh.forEach((_, offset) => this.dirty.add(OUTPUT + index + offset));
        index += fresh.length;
        shift += fresh.length;
      } else if (step.delete) {
        this._outputs.splice(index, step.delete);
        shift -= step.delete;
      } else {
        const end = index + (step.retain ?? 0);
        this._markMoved(index, shift === 0 ? index : end);
        index = end;
      }
    }
    this._markMoved(index, shift === 0 ? index : this._outputs.length);
    for (const part of [...this.dirty]) {
      if (part >= OUTPUT + this._outputs.length) {
        this.dirty.delete(part);
      }
    }
    for (const part of [...this.seqs.keys()]) {
      if (part >= OUTPUT + this._outputs.length) {
        this.seqs.delete(part);
      }
    }
    this.dirty.add(OUTPUTS);
  }

  /** These outputs have another index than before. */
  private _markMoved(from: number, to: number): void {
    for (let index = from; index < to; index++) {
      this._markOutput(index);
    }
  }

  private _markOutput(index: number): void {
    const track = this._outputs[index];
    if (track) {
      track.isWhole = true;
      track.text.reset();
      this.dirty.add(OUTPUT + index).add(OUTPUTS);
    }
  }

  private _markWhole(part: number): void {
    if (part === SOURCE) {
      this._source.reset();
    }
    if (part >= OUTPUT) {
      this._markOutput(part - OUTPUT);
    } else if (part !== OUTPUTS || this.isCode) {
      this.dirty.add(part);
    }
  }

  private _metadata(): JSONObject {
    const { trusted: _, ...rest } = plain(
      this.ycell.get('metadata') ?? {}
    ) as JSONObject;
    return rest;
  }

  private _head(): IHead {
    const metadata = this.ycell.get('metadata') as IYMap | undefined;
    const count = this.ycell.get('execution_count');
    return {
      cell_type: String(this.ycell.get('cell_type')),
      id: (this.ycell.get('id') as string | undefined) ?? null,
      execution_count:
        this.isCode && typeof count === 'number' && count > 0 ? count : null,
      trusted:
        metadata !== undefined &&
        plain(metadata.get?.('trusted') ?? false) === true
    };
  }

  private _value(value: JSONValue, built: IBuilt): IValue {
    const { form, chunks } = valueForm(value, built.inlineBelow);
    built.chunks.push(...chunks);
    return form;
  }

  private _buildSource(built: IBuilt): void {
    const text = this.isSourceText
      ? this.ysource
      : String(this.ycell.get('source') ?? '');
    const sent = this._source.send(
      text,
      built.newRev,
      false,
      built.inlineBelow
    );
    built.change.source = sent.form;
    built.chunks.push(...sent.chunks);
    if (this._source.keptSize > KEPT_SPLICES_SIZE) {
      built.ownChunks.push(...this._source.rekeep(text));
    }
    const kept = this._source.kept(text);
    built.keep.push([SOURCE, kept ? { kept } : { form: sent.form }]);
  }

  private _buildOutputs(built: IBuilt): void {
    const outputs = this._youtputs;
    const set: [number, IValue | IValuePatch][] = [];
    for (const part of [...this.dirty]
      .filter(one => one >= OUTPUT)
      .sort((a, b) => a - b)) {
      const index = part - OUTPUT;
      const output = outputs?.get(index);
      if (output !== undefined) {
        set.push([index, this._buildOutput(index, output, built)]);
      }
    }
    built.change.outputs = { len: outputs?.length ?? 0, set };
    built.keep.push([OUTPUTS, { form: built.change.outputs.len }]);
  }

  private _buildOutput(
    index: number,
    output: unknown,
    built: IBuilt
  ): IValue | IValuePatch {
    const track = this._outputs[index];
    const map = output as IYMap & {
      forEach?(visit: (value: unknown, key: string) => void): void;
    };
    const text = typeof map.get === 'function' ? map.get('text') : undefined;
    if (!isYText(text) || !map.forEach) {
      track.isWhole = false;
      const value = this._value(plain(output), built);
      built.keep.push([OUTPUT + index, { form: value }]);
      return value;
    }
    const json: JSONObject = {};
    map.forEach((value, key) => {
      json[key] = key === 'text' ? null : plain(value);
    });
    if (track.isWhole) {
      track.text.reset();
      track.isWhole = false;
    }
    const sent = track.text.send(text, built.newRev, true, built.inlineBelow);
    built.chunks.push(...sent.chunks);
    if (track.text.keptSize > KEPT_SPLICES_SIZE) {
      built.ownChunks.push(...track.text.rekeep(text));
    }
    const kept = track.text.kept(text);
    const form = sent.form;
    if (typeof form === 'object' && 'splices' in form) {
      built.keep.push([OUTPUT + index, kept ? { kept, json } : { form: null }]);
      return { patch: [[['text'], form]] };
    }
    const value: IValue = { json, long: [[['text'], form]] };
    built.keep.push([OUTPUT + index, { form: value }]);
    return value;
  }

  private _source = new TextTrack();
  private _outputs: OutputTrack[];
}
