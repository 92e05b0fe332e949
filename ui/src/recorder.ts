/**
 * Records one working copy: marks what changes in the shared model, and at most 100 ms later puts all of it into
 * one edit, which goes to the outbox and to the server. Implements IRecorder of contracts.ts.
 */
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { CellTrack } from './celltrack';
import type { IChunk } from './chunker';
import type { IAttachOptions, IRecorder, ISavePoint } from './contracts';
import { newId } from './hash';
import { MetaTrack } from './metatrack';
import type { ICopy, IOutboxWrite, Outbox } from './outbox';
import type {
  ClientMessage,
  How,
  ICellChange,
  IEdit,
  INack,
  IOpen,
  ServerMessage
} from './protocol';
import { compress } from './runs';
import type { IYDocument, IYEvent, IYMap } from './shared';
import { valueForm } from './values';

/** The longest that a change waits for its edit. */
export const FLUSH_MS = 100;
const SIGNAL_MS = 100;
/** What the server has of a new cell. */
const NOTHING = { cell: false, baseText: false };
const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 30_000;

/** What a recorder needs of the feed. */
export interface ILine {
  readonly isOpen: boolean;
  readonly tab: string;
  send(message: ClientMessage): void;
  /** Resolves when the server has all of them on disk. */
  upload(chunks: readonly IChunk[]): Promise<void>;
}

interface IFlying {
  message: IEdit;
  /** Cells and parts that the edit carried. */
  touched: [CellTrack, number[]][];
  at: number;
}

/** Errors after which the same edit may succeed later. */
const PASSING = [
  'disk_full',
  'read_only',
  'store_damaged',
  'store_unreachable',
  'store_held',
  'journal_off',
  'internal'
];

export class Recorder implements IRecorder {
  constructor(options: Recorder.IOptions) {
    this.context = options.attach.context;
    this._line = options.line;
    this._getOutbox = options.outbox;
    this._mode = options.attach.mode;
    const { ydoc } = this.context.model.sharedModel as unknown as {
      ydoc: {
        getArray(name: string): IYDocument['cells'];
        getMap(name: string): IYDocument['meta'];
      };
    };
    this._doc = { cells: ydoc.getArray('cells'), meta: ydoc.getMap('meta') };
    const { base, cells, draft } = options.attach;
    this._meta = new MetaTrack(this._doc.meta);
    this._begin(base, cells, draft?.keys);
    if (draft) {
      this._wc = draft.wc;
      this._epoch = draft.epoch;
      this._seq = this._acked = draft.seq;
      this._isAheadOfFile = true;
      this._isSelfContained = draft.base === null;
      this._base = draft.base;
      this._isFromDraft = true;
    }
    this._doc.cells.observeDeep(this._onCells);
    this._doc.meta.observeDeep(this._onMeta);
    this.context.pathChanged.connect(this._onPath, this);
    this._announce();
  }

  readonly context: DocumentRegistry.IContext<INotebookModel>;

  get wc(): string {
    return this._wc;
  }

  get isAhead(): boolean {
    return this._isAheadOfFile || this._isDirty;
  }

  get seq(): number {
    return this._seq;
  }

  get acked(): number {
    return this._acked;
  }

  get pending(): number {
    return this._flying.size + (this._isDirty ? 1 : 0);
  }

  get kept(): number {
    return [...this._flying.keys()].filter(seq => seq <= this._keptSeq).length;
  }

  get oldestUnackedAt(): number | null {
    for (const one of this._flying.values()) {
      return Math.min(one.at, this._dirtySince ?? one.at);
    }
    return this._dirtySince;
  }

  get lastAckAt(): number | null {
    return this._lastAckAt;
  }

  get changed(): ISignal<IRecorder, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  mark(): ISavePoint {
    this.flush();
    return { seq: this._seq, keys: this._order() };
  }

  saved(point: ISavePoint, hash: string | null): void {
    if (this._isDisposed || this._mode === 'record') {
      return;
    }
    this._isAheadOfFile = this._seq > point.seq;
    if (this._seq === 0 && hash !== null) {
      // Nothing was recorded: only where we start from has changed.
      this._base = hash;
      this._baseKeys = [...point.keys];
      this._tracks.forEach(track => track.rebased(0));
      this._announce();
    } else {
      this._saving = { point, hash };
      this._sendSaved();
    }
    this._tell();
  }

  reloading(base: string | null, cells: number): void {
    this._isPaused = true;
    // The content is replaced in the microtasks that follow the read.
    window.setTimeout(() => {
      if (!this._isDisposed) {
        this._close(this.isAhead ? 'discard' : 'clean');
        this._isPaused = false;
        this._wc = newId();
        this._epoch = 1;
        this._begin(base, cells);
        this._announce();
        this._tell();
      }
    }, 0);
  }

  /** Put what is dirty into an edit, if anything is. */
  flush(): void {
    window.clearTimeout(this._timer);
    this._timer = 0;
    if (this._isDirty && !this._isDisposed) {
      this._isDirty = false;
      this._record(this._isSelfContained && this._seq === 0);
    }
  }

  /** The feed is open (again): tell it what this is, and go on from its answer. */
  connected(): void {
    this._announce();
  }

  /** A message of the server for this working copy. */
  receive(message: ServerMessage): void {
    switch (message.t) {
      case 'opened':
        this._onOpened(message.acked, message.known);
        break;
      case 'ack':
        if (message.saved) {
          this._onSaved();
        } else if (message.seq > 0) {
          this._onAck(message.seq);
        }
        break;
      case 'nack':
        this._onNack(message);
        break;
      case 'resync':
        this._reset();
        break;
    }
  }

  /** The server is well again: do not wait any longer. */
  retry(): void {
    if (this._retryTimer) {
      window.clearTimeout(this._retryTimer);
      this._retryTimer = 0;
      this._resend();
      this._sendSaved();
    }
  }

  /** What the server has not acked, for the last request of a page that goes. */
  unacked(): ClientMessage[] {
    this.flush();
    const edits = [...this._flying.values()].map(one => one.message);
    return edits.length > 0 ? [this._opening(), ...edits] : [];
  }

  /** The notebook was closed. */
  close(how: How): void {
    if (!this._isDisposed) {
      this.flush();
      this._close(how);
      this.dispose();
    }
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    window.clearTimeout(this._timer);
    window.clearTimeout(this._retryTimer);
    window.clearTimeout(this._signalTimer);
    this._doc.cells.unobserveDeep(this._onCells);
    this._doc.meta.unobserveDeep(this._onMeta);
    this.context.pathChanged.disconnect(this._onPath, this);
    Signal.clearData(this);
  }

  // Observing

  private _onCells = (events: IYEvent[]): void => {
    if (this._isPaused || this._isDisposed) {
      return;
    }
    let isEdit = false;
    for (const event of events) {
      if (event.target === this._doc.cells) {
        this._takeCells();
        isEdit = true;
        continue;
      }
      const cell = this._doc.cells.get(event.path[0] as number) as
        IYMap | undefined;
      const track = cell && this._tracks.get(cell);
      if (
        track?.take({
          target: event.target,
          path: event.path,
          keysChanged: event.keysChanged,
          changes: event.changes
        })
      ) {
        isEdit = true;
      }
    }
    if (isEdit) {
      this._dirtied();
    }
  };

  private _onMeta = (): void => {
    if (!this._isPaused && !this._isDisposed && this._meta.take()) {
      this._dirtied();
    }
  };

  private _onPath(): void {
    if (this._isOpened) {
      this._line.send({
        t: 'renamed',
        wc: this._wc,
        epoch: this._epoch,
        path: this._path
      });
    }
  }

  private _takeCells(): void {
    for (const cell of this._doc.cells.toArray() as IYMap[]) {
      if (!this._tracks.has(cell)) {
        this._tracks.set(cell, new CellTrack(this._nextKey++, cell, NOTHING));
      }
    }
    this._isOrderDirty = true;
  }

  private _dirtied(): void {
    const now = Date.now();
    this._dirtySince ??= now;
    this._isDirty = true;
    const waited = now - this._flushedAt;
    if (waited >= FLUSH_MS) {
      // Also in a hidden tab, whose timers are slowed down: no timer is needed to begin, or when one is overdue.
      this._flushedAt = now;
      queueMicrotask(() => this.flush());
    } else if (!this._timer) {
      this._timer = window.setTimeout(() => this.flush(), FLUSH_MS - waited);
    }
    this._tell();
  }

  // Recording

  private _record(isReset: boolean): void {
    const seq = ++this._seq;
    const edit: IEdit = {
      t: 'edit',
      wc: this._wc,
      epoch: this._epoch,
      seq,
      at: Date.now()
    };
    const write: IOutboxWrite = {
      copy: this._copy(),
      parts: [],
      chunks: [],
      keys: null,
      isReset
    };
    const chunks: IChunk[] = [];
    if (isReset) {
      edit.reset = true;
      this._base = null;
      this._isSelfContained = true;
      this._isOrderDirty = this._meta.isDirty = true;
      this._present().forEach(track => track.markAll());
    }
    if (this._isOrderDirty) {
      const keys = this._order();
      edit.order = compress(keys);
      this._orderSeq = seq;
      this._isOrderDirty = false;
      write.keys = keys;
      write.parts.push({ key: -1, part: 0, seq, value: { form: edit.order } });
    }
    if (this._meta.isDirty) {
      const { form, chunks: own } = valueForm(this._meta.content());
      edit.meta = form;
      chunks.push(...own);
      this._meta.isDirty = false;
      this._meta.seq = seq;
      write.parts.push({ key: -1, part: 1, seq, value: { form } });
    }
    const { changes, touched } = this._buildCells(seq, write, chunks);
    edit.cells = changes;
    write.copy = this._copy();
    write.chunks.push(...chunks);
    this._flushedAt = Date.now();
    this._isAheadOfFile = true;
    this._flying.set(seq, {
      message: edit,
      touched,
      at: this._dirtySince ?? Date.now()
    });
    this._dirtySince = null;
    void this._outbox.write(write).then(isKept => {
      if (isKept) {
        this._keptSeq = Math.max(this._keptSeq, seq);
        this._tell();
      }
    });
    this._enqueue(edit, chunks);
    this._tell();
  }

  private _buildCells(
    seq: number,
    write: IOutboxWrite,
    chunks: IChunk[]
  ): { changes: ICellChange[]; touched: IFlying['touched'] } {
    const changes: ICellChange[] = [];
    const touched: IFlying['touched'] = [];
    for (const track of this._present()) {
      if (track.dirty.size === 0) {
        continue;
      }
      const parts = [...track.dirty];
      const built = track.build(seq, () => ++this._rev);
      changes.push(built.change);
      chunks.push(...built.chunks);
      write.chunks.push(...built.ownChunks);
      write.parts.push(
        ...built.keep.map(([part, value]) => ({
          key: track.key,
          part,
          seq,
          value
        }))
      );
      if (built.change.outputs) {
        write.outputs = {
          ...write.outputs,
          [track.key]: built.change.outputs.len
        };
      }
      touched.push([track, parts]);
    }
    return { changes, touched };
  }

  private _enqueue(
    message: ClientMessage,
    chunks: readonly IChunk[] = []
  ): void {
    const generation = this._generation;
    const isCurrent = () =>
      generation === this._generation &&
      this._isOpened &&
      !this._retryTimer &&
      this._line.isOpen;
    const send = async () => {
      if (isCurrent() && chunks.length > 0) {
        await this._line.upload(chunks);
      }
      if (isCurrent()) {
        this._line.send(message);
      }
    };
    if (chunks.length === 0 && this._isQueueEmpty && isCurrent()) {
      this._line.send(message); // The usual case, in the same task: a page that goes down at once has sent it.
      return;
    }
    this._isQueueEmpty = false;
    const next = this._queue.then(send).catch(reason => {
      console.warn('Indelible: an edit waits', reason);
      this._retryLater();
    });
    this._queue = next;
    void next.then(() => {
      this._isQueueEmpty = this._queue === next;
    });
  }

  /** Everything that the server may not have, in a new edit. */
  private _resend(): void {
    let found =
      this._isDirty ||
      this._orderSeq > this._acked ||
      this._meta.seq > this._acked;
    this._isOrderDirty ||= this._orderSeq > this._acked;
    this._meta.isDirty ||= this._meta.seq > this._acked;
    this._present().forEach(track => {
      found = track.markSince(this._acked) || found;
    });
    this._flying.clear();
    if (found) {
      this._isDirty = false;
      this._record(false);
    }
  }

  private _reset(): void {
    this._flying.clear();
    this._isDirty = false;
    this._saving = null;
    this._record(true);
  }

  // Answers

  private _onOpened(acked: number, known: boolean): void {
    this._isOpened = true;
    this._acked = Math.min(acked, this._seq);
    if (!known && this._seq > 0) {
      if (this._isSelfContained || this._isFromDraft || this._base === null) {
        if (this.isAhead) {
          this._reset();
        }
        return;
      }
      // The server reads the base's keys off this: they are no longer 0, 1, 2, …
      this._acked = this._savedSeq;
      this._line.send(
        this._savedMessage(
          { seq: this._savedSeq, keys: this._baseKeys },
          this._base
        )
      );
    } else if (acked > this._seq) {
      this._seq = acked;
    }
    if (this._saving) {
      this._sendSaved();
    }
    this._resend();
  }

  private _onAck(seq: number): void {
    for (const one of [...this._flying.keys()]) {
      if (one <= seq) {
        this._flying.delete(one);
      }
    }
    this._acked = Math.max(this._acked, Math.min(seq, this._seq));
    this._lastAckAt = Date.now();
    this._retryMs = FIRST_RETRY_MS;
    this._tell();
  }

  private _onNack(nack: INack): void {
    const refused = this._flying.get(nack.seq);
    this._flying.delete(nack.seq);
    console.warn(`Indelible: ${nack.error}: ${nack.message}`);
    if (nack.error === 'superseded') {
      this._fork();
      return;
    }
    if (
      nack.error === 'unknown_working_copy' ||
      (nack.error === 'malformed' && !this._wasReset)
    ) {
      this._wasReset = nack.error === 'malformed';
      this._announce();
      this._reset();
      return;
    }
    refused?.touched.forEach(([track, parts]) => track.markParts(parts));
    if (refused?.message.order) {
      this._isOrderDirty = true;
    }
    if (refused?.message.meta) {
      this._meta.isDirty = true;
    }
    if (nack.error === 'stale_part' && nack.key !== undefined) {
      this._present()
        .filter(track => track.key === nack.key)
        .forEach(track => track.markAll());
    }
    // A new edit at once, in the outbox at least: a later ack must not stand for what was refused.
    if (PASSING.includes(nack.error)) {
      this._retryLater();
    }
    if (refused || nack.error === 'stale_part') {
      this._isDirty = false;
      this._record(refused?.message.reset ?? false);
    }
    if (nack.error === 'stale_part' && this._saving && !refused) {
      this._sendSaved();
    }
  }

  private _retryLater(): void {
    if (!this._retryTimer && !this._isDisposed) {
      this._retryTimer = window.setTimeout(() => this.retry(), this._retryMs);
      this._retryMs = Math.min(2 * this._retryMs, LAST_RETRY_MS);
    }
  }

  /** Another tab went on with this working copy: take a new one, which stands on its own. */
  private _fork(): void {
    void this._outbox.forget(this._wc);
    this._wc = newId();
    this._epoch = 1;
    this._acked = this._savedSeq = 0;
    this._announce();
    this._reset();
  }

  // Saving

  private _sendSaved(): void {
    const saving = this._saving;
    if (!saving || !this._isOpened) {
      return;
    }
    const late = this._present().filter(
      track =>
        track.isSourceOnBase && (track.seqs.get(1) ?? 0) > saving.point.seq
    );
    if (late.length > 0 && saving.hash !== null) {
      // Built on the base that goes: the server needs them whole before it.
      late.forEach(track => track.markParts([1]));
      this._isDirty = false;
      this._record(false);
    }
    this._enqueue(this._savedMessage(saving.point, saving.hash));
  }

  private _savedMessage(point: ISavePoint, hash: string | null): ClientMessage {
    return {
      t: 'saved',
      wc: this._wc,
      epoch: this._epoch,
      seq: point.seq,
      hash,
      order: compress(point.keys),
      cells: point.keys.length
    };
  }

  private _onSaved(): void {
    const saving = this._saving;
    if (!saving) {
      return;
    }
    this._saving = null;
    this._savedSeq = saving.point.seq;
    this._onAck(saving.point.seq);
    if (saving.hash !== null) {
      this._base = saving.hash;
      this._baseKeys = [...saving.point.keys];
      this._isSelfContained = this._isFromDraft = false;
      this._present().forEach(track => track.rebased(saving.point.seq));
    }
    void this._outbox.saved(
      this._copy(),
      saving.hash === null ? -1 : saving.point.seq,
      this._seq
    );
    this._tell();
  }

  // State

  private _begin(
    base: string | null,
    cells: number,
    keys?: readonly number[]
  ): void {
    this._tracks = new Map();
    this._base = base;
    this._isSelfContained = base === null;
    this._isFromDraft = false;
    this._seq =
      this._acked =
      this._savedSeq =
      this._keptSeq =
      this._orderSeq =
        0;
    this._rev = 0;
    this._saving = null;
    this._flying.clear();
    this._isDirty = this._isAheadOfFile = false;
    this._dirtySince = null;
    this._meta = new MetaTrack(this._doc.meta);
    const ycells = this._doc.cells.toArray() as IYMap[];
    // Above every key that the working copy may have used before.
    this._nextKey = keys
      ? Math.max(0, ...keys) + 1_000_000
      : Math.max(cells, ycells.length);
    this._baseKeys = Array.from({ length: cells }, (_, index) => index);
    ycells.forEach((cell, index) => {
      const isBase =
        index < (keys ? keys.length : cells) &&
        (keys !== undefined || base !== null);
      const key = isBase
        ? keys
          ? keys[index]
          : index
        : index < cells
          ? index
          : this._nextKey++;
      const has = { cell: isBase, baseText: isBase && keys === undefined };
      this._tracks.set(cell, new CellTrack(key, cell, has));
    });
    // A cell that the page added to an empty notebook is no edit; it goes along with the first one.
    this._isOrderDirty =
      base === null || ycells.length !== (keys ? keys.length : cells);
    this._meta.isDirty = base === null;
  }

  /** Say which notebook this is; edits follow when the server has answered. */
  private _announce(): void {
    this._generation++;
    this._queue = Promise.resolve();
    this._isQueueEmpty = true;
    this._isOpened = false;
    if (this._line.isOpen) {
      this._line.send(this._opening());
    }
  }

  private _opening(): IOpen {
    return {
      t: 'open',
      wc: this._wc,
      epoch: this._epoch,
      path: this._path,
      base: this._base ?? this.context.contentsModel?.hash ?? null,
      cells: this._baseKeys.length,
      seq: this._seq,
      mode: this._mode
    };
  }

  private _copy(): ICopy {
    return {
      wc: this._wc,
      epoch: this._epoch,
      path: this._path,
      base: this._isSelfContained ? null : this._base,
      baseKeys: compress(this._baseKeys),
      savedSeq: this._savedSeq,
      seq: this._seq,
      mode: this._mode,
      tab: this._line.tab,
      how: null,
      at: Date.now()
    };
  }

  private _close(how: How): void {
    this._line.send({ t: 'closed', wc: this._wc, epoch: this._epoch, how });
    if (how === 'away') {
      return;
    }
    if (this._line.isOpen && this._flying.size === 0) {
      void this._outbox.forget(this._wc);
    } else {
      void this._outbox.closed({ ...this._copy(), how });
    }
  }

  private get _outbox(): Outbox {
    return this._getOutbox();
  }

  private get _path(): string {
    return this.context.localPath;
  }

  private _present(): CellTrack[] {
    const present: CellTrack[] = [];
    for (const cell of this._doc.cells.toArray() as IYMap[]) {
      const track = this._tracks.get(cell);
      if (track) {
        present.push(track);
      }
    }
    return present;
  }

  private _order(): number[] {
    return this._present().map(track => track.key);
  }

  private _tell(): void {
    if (!this._signalTimer && !this._isDisposed) {
      this._signalTimer = window.setTimeout(() => {
        this._signalTimer = 0;
        this._changed.emit();
      }, SIGNAL_MS);
    }
  }

  private _acked = 0;
  private _base: string | null = null;
  private _baseKeys: number[] = [];
  private _changed = new Signal<IRecorder, void>(this);
  private _dirtySince: number | null = null;
  private _doc: IYDocument;
  private _epoch = 1;
  private _flushedAt = 0;
  private _flying = new Map<number, IFlying>();
  private _generation = 0;
  /** The journal has parts that this tab has not sent. */
  private _isFromDraft = false;
  /** The server has answered `open`. */
  private _isOpened = false;
  private _isAheadOfFile = false;
  private _isDirty = false;
  private _isDisposed = false;
  private _isOrderDirty = false;
  private _isPaused = false;
  private _isQueueEmpty = true;
  private _isSelfContained = false;
  private _keptSeq = 0;
  private _lastAckAt: number | null = null;
  private _line: ILine;
  private _meta: MetaTrack;
  private _mode: 'full' | 'record';
  private _nextKey = 0;
  private _orderSeq = 0;
  private _getOutbox: () => Outbox;
  private _queue: Promise<void> = Promise.resolve();
  private _retryMs = FIRST_RETRY_MS;
  private _retryTimer = 0;
  private _rev = 0;
  private _savedSeq = 0;
  private _saving: { point: ISavePoint; hash: string | null } | null = null;
  private _seq = 0;
  private _signalTimer = 0;
  private _timer = 0;
  private _tracks = new Map<IYMap, CellTrack>();
  private _wasReset = false;
  private _wc = newId();
}

export namespace Recorder {
  export interface IOptions {
    attach: IAttachOptions;
    line: ILine;
    /** The present one: it changes when the first answer of the server names its store. */
    outbox: () => Outbox;
  }
}
