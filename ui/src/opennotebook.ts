/**
 * One notebook open in this page: attaches its recorder when the content is there, tells the recorder what a
 * save has put into the file, and how the notebook was closed. Loading itself is the provider's.
 */
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { ICell } from '@jupyterlab/nbformat';
import type { INotebookModel, NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { IProtection, IRecorder, ISavePoint } from './contracts';
import type { FileChanges } from './filechanges';
import { SaveFailure, type IWrote } from './filesave';
import type { IMergeResult } from './mergefile';
import type { How, IDraft, IDraftSummary } from './protocol';
import { queueSaves } from './savequeue';

/** Who asked for a save. */
export type SavedBy = 'user' | 'autosave';

/** The last save that ended, as far as this page knows. */
export interface ISaveResult {
  readonly at: number;
  readonly by: SavedBy;
  /** Null after a success. */
  readonly failure: Error | null;
  /** What the save replaced, when it dropped most of the notebook. */
  readonly shrunk: IWrote['shrunk'];
}

/** What the first read of a notebook brought. */
export interface ILoaded {
  /** The file, as Jupyter gave it, its content included. */
  readonly file: Contents.IModel;
  /** Shown instead of the file's content. */
  readonly draft: IDraft | null;
  /** Other drafts of this notebook, not shown. */
  readonly others: readonly IDraftSummary[];
}

/** Number of cells in a contents model. */
export function cellCount(model: Contents.IModel): number {
  const content = model.content as { cells?: unknown[] } | null;
  return Array.isArray(content?.cells) ? content.cells.length : 0;
}

function cellsOf(model: { content?: unknown } | null): readonly ICell[] {
  const content = model?.content as { cells?: ICell[] } | null | undefined;
  return Array.isArray(content?.cells) ? content.cells : [];
}

export class OpenNotebook implements IDisposable {
  constructor(options: OpenNotebook.IOptions) {
    this.context = options.context;
    this.mode = options.mode;
    this._protection = options.protection;
    this._isLeaving = options.isLeaving;
    this._now = options.now ?? Date.now;
    this.context.saveState.connect(this._onSaveState, this);
    this.context.disposed.connect(this.dispose, this);
    this.context.model.stateChanged.connect(this._onModelState, this);
    if (this.mode === 'full') {
      queueSaves(this.context);
    }
    this.context.ready.then(
      () => this._onReady(),
      () => this.dispose()
    );
  }

  readonly context: DocumentRegistry.IContext<INotebookModel>;
  readonly mode: 'full' | 'record';

  /** Content of a PUT that got no answer: it may be in the file or not. */
  attempted: unknown = null;

  /** What is done when somebody else writes the file. */
  changes: Pick<
    FileChanges,
    'fileBroken' | 'fileChanged' | 'fileGone' | 'merge' | 'reset'
  > | null = null;

  /** The views of this notebook. */
  readonly panels: NotebookPanel[] = [];

  get recorder(): IRecorder | null {
    return this._recorder;
  }

  get loaded(): ILoaded | null {
    return this._loaded;
  }

  get lastSave(): ISaveResult | null {
    return this._lastSave;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** A save is under way. */
  get isSaving(): boolean {
    return this._saves > 0;
  }

  /** Jupyter is between the start and the end of a save, whoever asked for it. */
  get isSaveUnderWay(): boolean {
    return this._points.length > 0;
  }

  /** The file lacks something that is worth writing. */
  get isAhead(): boolean {
    if (this._isDisposed) {
      return false;
    }
    // Under real-time collaboration the server saves, and only the model knows.
    return this._recorder && this.mode === 'full'
      ? this._recorder.isAhead
      : this.context.model.dirty;
  }

  /** The recorder was attached or replaced, or a save ended. */
  get changed(): ISignal<OpenNotebook, void> {
    return this._changed;
  }

  /** The content of the first read is about to be shown: remembered for attaching and for the notice. */
  setLoaded(loaded: ILoaded): void {
    this._loaded = loaded;
  }

  /** Forget the file's content: the notice that needed it is gone. */
  releaseLoaded(): void {
    this._loaded = null;
  }

  /** A later read: the content that is about to replace ours is the file's. */
  reloading(model: Contents.IModel): void {
    const { hash } = model;
    this._settled();
    this._recorder?.reloading(hash ?? null, cellCount(model), cellsOf(model));
  }

  /** Save, as the timer does. Never rejects; the outcome is in `lastSave`. */
  async autosave(): Promise<void> {
    this._by = 'autosave';
    this._saves++;
    try {
      await this.context.save();
    } catch (reason) {
      const error =
        reason instanceof Error ? reason : new Error(String(reason));
      if (this._points.length > 0) {
        this._ended(error);
      }
    } finally {
      this._saves--;
      this._by = 'user';
    }
  }

  /** The provider could not save (or not ask before saving). */
  saveFailed(error: Error): void {
    this._ended(error);
    // Jupyter says nothing about a cancelled save; whoever shows "Saving…" should not wait forever.
    if (this.context.saveState instanceof Signal) {
      this.context.saveState.emit('failed');
    }
  }

  /** Whether the server can write the file from its journal. */
  get canSaveByJournal(): boolean {
    return (
      this._recorder !== null &&
      this._recorder.canSave &&
      this._protection.hello?.full_save_because === null
    );
  }

  /** Have the server write the file from its journal. Rejects with SaveFailure. */
  async saveByJournal(creates = false): Promise<Contents.IModel> {
    const recorder = this._recorder;
    if (!recorder) {
      throw new SaveFailure('offline', 'nothing is recorded');
    }
    const asked = recorder.save(this.fileHash, creates, this._by);
    const wrote = await asked;
    if (this._points.length > 0) {
      // What was typed between the start of the save and the question is in the file, too.
      this._points[this._points.length - 1] = wrote.point;
    }
    this._byJournal = wrote;
    return { ...wrote.model, content: null };
  }

  /** What a save by Jupyter's own way is to send: what is here now, and not when Jupyter began. */
  freshContent(): ReturnType<INotebookModel['toJSON']> {
    if (this._points.length > 0) {
      this._points[this._points.length - 1] = this._recorder?.mark() ?? null;
    }
    return this.context.model.toJSON();
  }

  /** SHA-256 of what this page takes the file to hold; null when it does not know. */
  get fileHash(): string | null {
    return this._mergedFile ?? this.context.contentsModel?.hash ?? null;
  }

  /** The user wants what is here to stand where the file holds this. */
  overwrites(hash: string): void {
    this._mergedFile = hash;
  }

  /** The content of a file that somebody else wrote was brought in by ordinary edits. */
  mergedFile(hash: string, result: IMergeResult): void {
    this._mergedFile = hash;
    this._recorder?.rebase(hash, result);
    if (!this._recorder?.isAhead) {
      this.context.model.dirty = false;
    }
    this._changed.emit();
  }

  /**
   * Why saving waits for the user: both sides changed the same cells, the file is gone ("recreate" once the user
   * wants it back), or it is no notebook any more. Null when it does not.
   */
  conflict: 'merge' | 'gone' | 'recreate' | 'broken' | null = null;

  /** What the server answered to the present save, when it wrote the file from its journal. */
  get byJournal(): IWrote | null {
    return this._byJournal;
  }

  /** The server's answer to our PUT, until the save is over. */
  get written(): Contents.IModel | null {
    return this._written;
  }

  /** A PUT for this path has succeeded: `written` is the server's answer. */
  fileWritten(written: Contents.IModel): void {
    this.attempted = null;
    if (this._points.length > 0) {
      this._written = written;
      this._hash = this._byJournal?.hash ?? null;
    }
  }

  /**
   * The hash that Jupyter asks for after a save. Returns whether it surely is the hash of what we wrote: if
   * somebody else has written since, the times differ, and Jupyter must not take their hash for ours.
   */
  isHashOfOurWrite(model: Contents.IModel): boolean {
    if (this._written === null) {
      return true;
    }
    const isOurs = this._written.last_modified === model.last_modified;
    this._hash = isOurs ? (model.hash ?? null) : null;
    return isOurs;
  }

  /** Leave what was recorded to the server as a discarded draft, show the file, and record from there. */
  async discard(): Promise<void> {
    const recorder = this._recorder;
    if (!recorder) {
      return;
    }
    this._recorder = null;
    this._settled();
    this._protection.detach(recorder, 'discard');
    try {
      await this.context.revert();
    } finally {
      if (!this._isDisposed) {
        this._attach(
          this.context.contentsModel?.hash ?? null,
          this.context.model.cells.length
        );
      }
    }
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    const recorder = this._recorder;
    this._recorder = null;
    this._loaded = null;
    this.context.saveState.disconnect(this._onSaveState, this);
    this.context.disposed.disconnect(this.dispose, this);
    if (recorder) {
      this._protection.detach(recorder, this._howClosed(recorder));
    }
    this._changed.emit();
    Signal.clearData(this);
  }

  /** The model is gone by now; the recorder still knows whether the file holds everything. */
  private _howClosed(recorder: IRecorder): How {
    // Under real-time collaboration the server saves, and only the model's own mark says whether it has.
    const isAhead = this.mode === 'record' ? this._wasDirty : recorder.isAhead;
    if (!isAhead) {
      return 'clean';
    }
    return this._isLeaving() || this.mode === 'record' ? 'away' : 'discard';
  }

  private _onModelState(model: INotebookModel, change: { name: string }): void {
    if (change.name === 'dirty') {
      this._wasDirty = model.dirty;
    }
  }

  private _onReady(): void {
    if (this._isDisposed) {
      return;
    }
    const { file, draft } = this._loaded ?? { file: null, draft: null };
    this._attach(
      file?.hash ?? null,
      file ? cellCount(file) : this.context.model.cells.length,
      draft,
      cellsOf(draft ?? file)
    );
    if (draft) {
      this.context.model.dirty = true;
    }
  }

  private _attach(
    base: string | null,
    cells: number,
    draft: IDraft | null = null,
    read: readonly ICell[] = []
  ): void {
    const { context, mode } = this;
    this._recorder = this._protection.attach({
      context,
      mode,
      base: mode === 'full' ? base : null,
      cells,
      read,
      ...(draft ? { draft } : {})
    });
    this._recorder.fileSeen.connect((_, hash) => {
      this.changes?.fileChanged(hash).catch(reason => {
        console.warn('Indelible: the changed file could not be shown', reason);
      });
    });
    this._changed.emit();
  }

  private _onSaveState(_: unknown, state: DocumentRegistry.SaveState): void {
    if (this.mode === 'record') {
      return;
    }
    if (state === 'started') {
      // In this very task Jupyter turns the model into the content that it will send.
      this._points.push(this._recorder?.mark() ?? null);
      this._written = null;
      this._byJournal = null;
      this._hash = null;
    } else if (state === 'completed') {
      this._completed();
    } else if (this._points.length > 0) {
      this._ended(new Error('The save failed'));
    }
  }

  private _completed(): void {
    const points = this._points.splice(0);
    const written = this._written;
    const shrunk = this._byJournal?.shrunk ?? null;
    this._written = this._byJournal = null;
    if (written === null || points.length === 0) {
      return; // "Save As" to another path, or a conflict that was answered with "Revert": our file was not written.
    }
    // When saves overlapped we cannot know which content is in the file; the older point is held by both.
    this._settled();
    const point = points[0];
    if (point && this._recorder) {
      this._recorder.saved(point, points.length === 1 ? this._hash : null);
    }
    // Jupyter has just called the model clean, also for what was typed while the save was under way.
    if (this._recorder?.isAhead) {
      this.context.model.dirty = true;
    }
    this._lastSave = { at: this._now(), by: this._by, failure: null, shrunk };
    this._changed.emit();
  }

  /** Page and file agree again on what the file holds. */
  private _settled(): void {
    this._mergedFile = null;
    this.conflict = null;
    this.changes?.reset();
  }

  private _ended(failure: Error): void {
    this._points.length = 0;
    this._written = this._byJournal = null;
    this._lastSave = { at: this._now(), by: this._by, failure, shrunk: null };
    this._changed.emit();
  }

  private _by: SavedBy = 'user';
  private _byJournal: IWrote | null = null;
  private _changed = new Signal<OpenNotebook, void>(this);
  private _hash: string | null = null;
  private _isDisposed = false;
  private _isLeaving: () => boolean;
  private _lastSave: ISaveResult | null = null;
  private _loaded: ILoaded | null = null;
  /** SHA-256 of a file that was merged since the last save. */
  private _mergedFile: string | null = null;
  private _now: () => number;
  private _points: (ISavePoint | null)[] = [];
  private _protection: IProtection;
  private _recorder: IRecorder | null = null;
  private _saves = 0;
  private _wasDirty = false;
  private _written: Contents.IModel | null = null;
}

export namespace OpenNotebook {
  export interface IOptions {
    context: DocumentRegistry.IContext<INotebookModel>;
    mode: 'full' | 'record';
    protection: IProtection;
    /** The page itself is going away (so a closed notebook is not the user's choice). */
    isLeaving: () => boolean;
    now?: () => number;
  }
}
