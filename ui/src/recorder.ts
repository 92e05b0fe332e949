/**
 * Records one working copy: at most 100 ms after a change of the shared model everything that changed is in an edit,
 * which goes to the outbox and to the server. Implements IRecorder of contracts.ts; what changed is notebooktrack.ts'.
 */
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { ICell } from '@jupyterlab/nbformat';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { IAttachOptions, IRecorder, ISavePoint } from './contracts';
import { FileSaves, isTrusted, SaveFailure, type IWrote } from './filesave';
import { Flights } from './flights';
import { newId } from './hash';
import type { IMergeResult } from './mergefile';
import { NotebookTrack } from './notebooktrack';
import type { ICopy, Outbox } from './outbox';
import type {
  ClientMessage,
  How,
  IEdit,
  INack,
  ServerMessage
} from './protocol';
import { compress } from './runs';
import { Sender, type ILine } from './sender';
import type { IYDocument, IYEvent } from './shared';
import { openingOf, rebaseOf, savedOf } from './workingcopy';

/** The longest that a change waits for its edit. */
export const FLUSH_MS = 100;
const SIGNAL_MS = 100;
/** Acks are noted in the outbox so long after they came, unless an edit that is written there takes them along. */
const NOTE_MS = 1_000;
/** How long after the announcement of a reload the content may be replaced. */
const RELOAD_MS = 1_000;
/** A page that goes may send 64 KiB in all. */
const LAST_SIZE = 32_768;
/** How often at most an outbox that has failed to write is given everything again. */
const REFILL_MS = 30_000;
/** After so many of the others in a row it waits, too. */
const MOST_REFUSALS = 3;
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

interface ISaving {
  point: ISavePoint;
  hash: string | null;
  /** The server wants some cells whole first. */
  isRefused: boolean;
  /** The edit that has to be acked first: what the server had of its cells will go. */
  after: number;
}

export class Recorder implements IRecorder {
  constructor(options: Recorder.IOptions) {
    this.context = options.attach.context;
    this._line = options.line;
    this._getOutbox = options.outbox;
    this._mode = options.attach.mode;
    this._sender = new Sender(options.line, () => this._announce());
    const { ydoc } = this.context.model.sharedModel as unknown as {
      ydoc: {
        getArray(name: string): IYDocument['cells'];
        getMap(name: string): IYDocument['meta'];
      };
    };
    this._doc = { cells: ydoc.getArray('cells'), meta: ydoc.getMap('meta') };
    const { base, cells, read, draft } = options.attach;
    if (draft) {
      this._begin(draft.base, cells, read, draft.keys);
      this._wc = draft.wc;
      this._epoch = draft.epoch;
      this._flights.seq = this._flights.acked = draft.seq;
      this._editSeq = draft.seq;
      this._inFile = -1;
      this._isFromDraft = true;
    } else {
      this._begin(base, cells, read);
    }
    this._file = base ?? this._file;
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
    return this._isDirty || this._editSeq > this._inFile;
  }

  get seq(): number {
    return this._flights.seq;
  }

  get acked(): number {
    return this._flights.acked;
  }

  get pending(): number {
    return this._flights.size + (this._isDirty ? 1 : 0);
  }

  get kept(): number {
    return this._flights.kept;
  }

  get oldestUnackedAt(): number | null {
    return this._flights.oldestAt ?? this._dirtySince;
  }

  get lastAckAt(): number | null {
    return this._flights.lastAckAt;
  }

  get changed(): ISignal<IRecorder, void> {
    return this._changed;
  }

  get fileSeen(): ISignal<IRecorder, string> {
    return this._fileSeen;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  mark(): ISavePoint {
    this.flush();
    const point = { seq: this.seq, keys: this._notebook.keys };
    this._points.add(point);
    return point;
  }

  saved(point: ISavePoint, hash: string | null): void {
    if (this._isDisposed || this._mode === 'record') {
      return;
    }
    if (!this._points.has(point)) {
      return; // The content was replaced since.
    }
    this._inFile = Math.max(this._inFile, point.seq);
    if (this.seq === 0 && hash !== null && !this._isDirty) {
      // Nothing was recorded: only where we start from has changed.
      this._begin(hash, point.keys.length);
      this._announce();
    } else {
      this._saving = { point, hash, isRefused: false, after: this._wholeSeq };
      this._sendSaved();
    }
    this._tell();
  }

  get canSave(): boolean {
    return this._mode === 'full' && this._sender.isReady && !this._isDisposed;
  }

  save(
    file: string | null,
    creates = false,
    by?: 'user' | 'autosave'
  ): Promise<IWrote> {
    if (!this.canSave) {
      const failure = new SaveFailure('offline', 'the server is not in reach');
      return Promise.reject(failure);
    }
    const point = this._markAll();
    const size = this.context.contentsModel?.size ?? 0;
    return this._saves.ask(point, size, id =>
      this._sender.send({
        t: 'save',
        wc: this._wc,
        epoch: this._epoch,
        seq: point.seq,
        id,
        path: this.context.localPath,
        file,
        digest: this._notebook.digest(),
        trusted: isTrusted(this.context.model),
        ...(creates ? { creates } : {}),
        ...(by ? { by } : {})
      })
    );
  }

  get epoch(): number {
    return this._epoch;
  }

  settle(): number {
    return this._markAll().seq;
  }

  cellsSince(seq: number): number[] | null {
    this._markAll();
    return this._notebook.cellsSince(seq);
  }

  rebase(hash: string, merged: IMergeResult): void {
    this.flush();
    const point = {
      seq: this.seq,
      keys: this._notebook.keysOfFile(merged.fileCells)
    };
    // A save that began before says nothing of what is in this file.
    this._points = new WeakSet([point]);
    // Whole, and before the server takes the file for their base: what it has of them is of another.
    if (this._notebook.markForBase(merged, point.keys)) {
      this._isDirty = true;
      this.flush();
      this._wholeSeq = this.seq;
    }
    this.saved(point, hash);
    this._notebook.compareTo(merged.read);
  }

  reloading(base: string | null, cells: number, read?: readonly ICell[]): void {
    this.flush();
    window.clearTimeout(this._reload?.timer);
    // The content is replaced in the microtasks that follow the read; of an empty one nothing may be seen.
    const timer = window.setTimeout(() => this._reloaded(), RELOAD_MS);
    this._reload = { base, cells, read, timer };
  }

  /** A save point that holds what the page shows, also what is no edit, such as the kernel's name. */
  private _markAll(): ISavePoint {
    this._isDirty ||= this._notebook.hasUnsent;
    return this.mark();
  }

  /** Put what is dirty into an edit, if anything is. */
  flush(): void {
    window.clearTimeout(this._timer);
    this._timer = 0;
    if (this._isDirty && !this._isDisposed) {
      this._editSeq = this.seq + 1;
      this._record(this._isSelfContained && this.seq === 0);
    }
  }

  /** The feed is open (again): tell it what this is, and go on from its answer. */
  connected(): void {
    this._announce();
  }

  /** The feed is closed. */
  disconnected(): void {
    this._saves.lost();
  }

  /** A message of the server for this working copy. */
  receive(message: ServerMessage): void {
    switch (message.t) {
      case 'opened':
        this._onOpened(message.acked, message.known);
        break;
      case 'ack':
        if (message.saved) {
          this._onSaved(message.seq);
        } else if (message.seq > 0) {
          this._onAck(message.seq);
        }
        break;
      case 'nack':
        this._onNack(message);
        break;
      case 'wrote':
      case 'unsaved':
        this._saves.answered(message);
        break;
      case 'file':
        this._fileSeen.emit(message.hash);
        break;
      case 'resync':
        this._reset();
        break;
    }
  }

  /** The server is well again: do not wait any longer. */
  retry(): void {
    this._sender.retry();
  }

  /** What the server has not acked, for the last request of a page that goes. */
  unacked(): ClientMessage[] {
    this.flush();
    if (this._flights.size === 0) {
      return [];
    }
    let edits = this._flights.messages;
    if (!edits || JSON.stringify(edits).length > LAST_SIZE) {
      // The same as few messages: what was typed again and again counts once.
      edits = this._resend();
    }
    return [openingOf(this._copy()), ...edits];
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
    this._saves.lost();
    window.clearTimeout(this._timer);
    window.clearTimeout(this._signalTimer);
    window.clearTimeout(this._noteTimer);
    window.clearTimeout(this._reload?.timer);
    this._sender.dispose();
    this._doc.cells.unobserveDeep(this._onCells);
    this._doc.meta.unobserveDeep(this._onMeta);
    this.context.pathChanged.disconnect(this._onPath, this);
    Signal.clearData(this);
  }

  // Observing

  private _onCells = (events: IYEvent[]): void => {
    if (this._reload && this._notebook.isReplaced) {
      this._reloaded();
    } else if (this._notebook.take(events, this.isAhead)) {
      this._dirtied();
    }
  };

  private _onMeta = (): void => {
    if (this._notebook.takeMeta() && !this._reload) {
      this._dirtied();
    }
  };

  private _onPath(): void {
    const { _wc: wc, _epoch: epoch } = this;
    if (this._sender.isOpened) {
      const { localPath: path } = this.context;
      this._line.send({ t: 'renamed', wc, epoch, path });
    }
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

  /** The content has been replaced by the file's. */
  private _reloaded(): void {
    const reload = this._reload;
    if (reload) {
      window.clearTimeout(reload.timer);
      this._reload = null;
      this._close(this.isAhead ? 'discard' : 'clean');
      this._wc = newId();
      this._epoch = 1;
      this._points = new WeakSet();
      this._begin(reload.base, reload.cells, reload.read);
      this._announce();
      this._tell();
    }
  }

  // Recording

  /** Everything that is dirty into the outbox and, when that is possible, to the server. */
  private _record(isReset: boolean): IEdit[] {
    if (isReset) {
      this._base = null;
      this._isSelfContained = true;
      this._notebook.markAll();
    }
    const at = this._dirtySince ?? Date.now();
    const { bodies, write } = this._notebook.build(
      () => ++this._flights.seq,
      () => ++this._rev,
      isReset
    );
    this._isDirty = false;
    this._dirtySince = null;
    this._flushedAt = Date.now();
    const { seq } = this;
    window.clearTimeout(this._noteTimer);
    this._noteTimer = 0;
    void this._outbox
      .write({ ...write, copy: this._copy(), isReset })
      .then(isKept => this._onWritten(isKept, seq));
    const edits = bodies.map(({ seq, touched, chunks, ...body }) => {
      const { _wc: wc, _epoch: epoch } = this;
      const message: IEdit = { t: 'edit', wc, epoch, seq, at, ...body };
      if (isReset) {
        message.reset = true;
      }
      const isSent = this._sender.send(message, chunks);
      this._flights.add(seq, { message: isSent ? message : null, touched, at });
      return message;
    });
    this._tell();
    return edits;
  }

  private _onWritten(isKept: boolean, seq: number): void {
    if (!isKept) {
      this._hasGap = true;
      return;
    }
    if (!this._hasGap) {
      this._flights.keptSeq = Math.max(this._flights.keptSeq, seq);
    } else if (Date.now() - this._refilledAt > REFILL_MS && !this._isDisposed) {
      // What failed to be written is missing there; of a text it may be what later parts build on.
      this._hasGap = false;
      this._refilledAt = Date.now();
      this._notebook.markSince(this._savedSeq);
      this._record(false);
    }
    this._tell();
  }

  /** What the server has not acked, and what is dirty, in new edits. */
  private _resend(): IEdit[] {
    const oldest = this._flights.land();
    const isFound = this._notebook.markSince(this.acked);
    if (!isFound && !this._isDirty) {
      return [];
    }
    if (this._isDirty) {
      this._editSeq = this.seq + 1;
    }
    this._dirtySince = oldest ?? this._dirtySince;
    return this._record(false);
  }

  private _reset(): void {
    const oldest = this._flights.land();
    this._dirtySince = oldest ?? this._dirtySince;
    if (this._isDirty) {
      this._editSeq = this.seq + 1;
    }
    this._record(true);
  }

  // Answers

  private _onOpened(acked: number, known: boolean): void {
    this._sender.opened();
    // Not more than was acked to us: an edit may have been refused, and that lost, before a later one was taken.
    this._flights.acked = Math.min(acked, this.acked);
    if (known) {
      this._flights.seq = Math.max(acked, this.seq);
    } else if (this.seq > 0) {
      if (this._isSelfContained || this._isFromDraft) {
        if (this.isAhead || this._flights.size > 0) {
          this._reset();
        }
        return;
      }
      // The server reads the keys of the base's cells off this: they may no longer be 0, 1, 2, …
      this._flights.acked = this._savedSeq;
      this._sender.send(rebaseOf(this._copy()));
    }
    if (this._saving?.isRefused) {
      this._resend();
      this._sendSaved();
    } else {
      this._sendSaved();
      this._resend();
    }
  }

  private _onAck(seq: number): void {
    if (seq > this.seq) {
      // Another tab took this one for dead and repeated its edits: those sent since were not looked at.
      this._announce();
      return;
    }
    const wasEarly = this.acked < (this._saving?.after ?? 0);
    this._flights.ack(seq, Date.now());
    if (wasEarly) {
      this._sendSaved();
    }
    if (this._flights.size === 0) {
      this._refusals = 0;
    }
    this._sender.worked();
    if (!this._noteTimer) {
      this._noteTimer = window.setTimeout(() => this._noteAck(), NOTE_MS);
    }
    this._tell();
  }

  /** The outbox keeps what is acked, but whoever finds it later should not take it for news. */
  private _noteAck(): void {
    this._noteTimer = 0;
    if (this.isAhead) {
      void this._outbox.sent(this._wc, this.acked);
    }
  }

  private _onNack(nack: INack): void {
    console.warn(`Indelible: ${nack.error}: ${nack.message}`);
    const refused = this._flights.refuse(nack.seq);
    if (nack.error === 'superseded') {
      this._fork();
      return;
    }
    const isPassing =
      PASSING.includes(nack.error) || ++this._refusals > MOST_REFUSALS;
    const isDefect = nack.error === 'malformed' && !this._wasReset;
    if ((nack.error === 'unknown_working_copy' || isDefect) && !isPassing) {
      this._wasReset ||= isDefect;
      this._announce();
      this._reset();
      return;
    }
    if (isPassing) {
      this._sender.pause();
    } else if (this._sender.isOpened) {
      // The answer comes after those to what is under way: nothing is sent before it is clear what has arrived.
      this._announce();
    }
    if (refused) {
      this._notebook.refused(refused);
    }
    if (nack.key !== undefined) {
      this._notebook.markCell(nack.key);
      if (this._saving) {
        this._saving.isRefused = true;
      }
    }
    if (refused || nack.key !== undefined) {
      // At once, in the outbox at least: a later ack must not stand for what was refused.
      this._record(false);
      if (this._saving && nack.seq <= this._saving.after) {
        this._saving.after = this._wholeSeq = this.seq;
      }
    }
  }

  /** Another tab went on with this working copy: take a new one, which stands on its own. */
  private _fork(): void {
    const last = this._wc;
    this._wc = newId();
    this._epoch = 1;
    this._flights.acked = this._savedSeq = 0;
    this._saving = null;
    this._announce();
    this._reset();
    void this._outbox.forget(last);
  }

  // Saving

  private _sendSaved(): void {
    if (!this._saving || !this._sender.isReady) {
      return;
    }
    const { point, hash, after } = this._saving;
    if (this.acked < after) {
      return;
    }
    if (hash !== null && this._notebook.markLateOnBase(point.seq)) {
      // Built on the base that goes: the server needs them whole before it.
      this._record(false);
    }
    const order = compress(point.keys);
    this._sender.send(savedOf(this._copy(), point.seq, hash, order));
  }

  private _onSaved(seq: number): void {
    if (this._saving?.point.seq !== seq) {
      return; // The answer to an earlier one: what was said since is still under way.
    }
    const { point, hash } = this._saving;
    this._saving = null;
    this._savedSeq = point.seq;
    if (hash !== null) {
      this._base = this._file = hash;
      this._baseKeys = [...point.keys];
      this._isSelfContained = this._isFromDraft = false;
      this._notebook.rebased(point.seq);
    }
    this._onAck(point.seq);
    const inFile = hash === null ? -1 : point.seq;
    void this._outbox.saved(this._copy(), inFile, this.seq);
  }

  // State

  private _begin(
    base: string | null,
    cells: number,
    read?: readonly ICell[],
    draftKeys?: readonly number[]
  ): void {
    const { contentsModel } = this.context;
    this._base = base;
    this._file = base ?? contentsModel?.hash ?? null;
    this._baseKeys = Array.from({ length: cells }, (_, index) => index);
    this._isSelfContained = base === null;
    this._isFromDraft = this._isDirty = false;
    this._flights = new Flights();
    this._rev = this._savedSeq = this._editSeq = this._inFile = 0;
    this._wholeSeq = 0;
    this._saving = null;
    this._dirtySince = null;
    // In a draft above every key that the working copy may have used before.
    const nextKey = draftKeys ? Math.max(0, ...draftKeys) + 1_000_000 : cells;
    this._notebook = new NotebookTrack(
      this._doc,
      draftKeys ?? (base === null ? null : this._baseKeys),
      draftKeys === undefined,
      base === null && !draftKeys ? 0 : nextKey
    );
    if (read) {
      this._notebook.compareTo(read);
    }
  }

  /** Say which notebook this is; edits follow when the server has answered. */
  private _announce(): void {
    this._saves.lost();
    this._sender.open(openingOf(this._copy()));
  }

  private _copy(): ICopy {
    return {
      wc: this._wc,
      epoch: this._epoch,
      path: this.context.localPath,
      base: this._isSelfContained ? null : this._base,
      file: this._file,
      baseKeys: compress(this._baseKeys),
      savedSeq: this._savedSeq,
      seq: this.seq,
      sentSeq: this.acked,
      mode: this._mode,
      tab: this._line.tab,
      how: null,
      at: Date.now()
    };
  }

  private _close(how: How): void {
    const { _wc: wc, _epoch: epoch } = this;
    const isSent = this._sender.send({ t: 'closed', wc, epoch, how });
    if (how === 'away') {
      return;
    }
    if (isSent && this._flights.size === 0) {
      void this._outbox.forget(wc);
    } else {
      void this._outbox.closed({ ...this._copy(), how });
    }
  }

  private get _outbox(): Outbox {
    return this._getOutbox();
  }

  private _tell(): void {
    if (!this._signalTimer && !this._isDisposed) {
      this._signalTimer = window.setTimeout(() => {
        this._signalTimer = 0;
        this._changed.emit();
      }, SIGNAL_MS);
    }
  }

  private _base: string | null = null;
  private _baseKeys: number[] = [];
  private _changed = new Signal<IRecorder, void>(this);
  private _dirtySince: number | null = null;
  private _doc: IYDocument;
  /** The last edit that somebody made, and not one that repeats what the server has lost. */
  private _editSeq = 0;
  private _epoch = 1;
  private _file: string | null = null;
  private _fileSeen = new Signal<IRecorder, string>(this);
  private _flights = new Flights();
  private _flushedAt = 0;
  private _getOutbox: () => Outbox;
  /** The outbox lacks something that it failed to write. */
  private _hasGap = false;
  /** The last edit that is in the file. */
  private _inFile = 0;
  private _isDirty = false;
  private _isDisposed = false;
  /** The journal has parts that this tab has not sent. */
  private _isFromDraft = false;
  private _isSelfContained = false;
  private _line: ILine;
  private _mode: 'full' | 'record';
  private _notebook!: NotebookTrack;
  /** Where saves began, in this content. */
  private _points = new WeakSet<ISavePoint>();
  /** So many in a row. */
  private _refusals = 0;
  private _refilledAt = 0;
  private _reload: {
    base: string | null;
    cells: number;
    read: readonly ICell[] | undefined;
    timer: number;
  } | null = null;
  private _noteTimer = 0;
  private _rev = 0;
  private _savedSeq = 0;
  private _saves = new FileSaves();
  private _saving: ISaving | null = null;
  private _sender: Sender;
  private _signalTimer = 0;
  private _timer = 0;
  private _wasReset = false;
  /** The edit that brought whole what is not as in a file that was merged. */
  private _wholeSeq = 0;
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
