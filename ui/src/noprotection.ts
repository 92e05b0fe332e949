/**
 * Stands in when the recording half cannot start in this browser: nothing is recorded, everything else works, and
 * the indicator says why.
 */
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type {
  IApi,
  IAttachOptions,
  IProtection,
  IRecorder,
  ISavePoint
} from './contracts';
import { SaveFailure } from './filesave';
import type { IProblem } from './protocol';

class NoRecorder implements IRecorder {
  constructor(readonly context: DocumentRegistry.IContext<INotebookModel>) {}

  readonly wc = '';
  readonly seq = 0;
  readonly acked = 0;
  readonly pending = 0;
  readonly kept = 0;
  readonly canSave = false;
  readonly oldestUnackedAt = null;
  readonly lastAckAt = null;

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get isAhead(): boolean {
    return !this.context.isDisposed && this.context.model.dirty;
  }

  get changed(): ISignal<IRecorder, void> {
    return this._changed;
  }

  get fileSeen(): ISignal<IRecorder, string> {
    return this._fileSeen;
  }

  mark(): ISavePoint {
    return { seq: 0, keys: [] };
  }

  saved(): void {
    // Nothing was recorded.
  }

  save(): Promise<never> {
    return Promise.reject(new SaveFailure('offline', 'nothing is recorded'));
  }

  readonly epoch = 1;

  settle(): number {
    return 0;
  }

  cellsSince(): number[] | null {
    return null;
  }

  rebase(): void {
    // Nothing was recorded.
  }

  reloading(): void {
    // Nothing was recorded.
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  private _changed = new Signal<IRecorder, void>(this);
  private _fileSeen = new Signal<IRecorder, string>(this);
  private _isDisposed = false;
}

export class NoProtection implements IProtection {
  constructor(reason: unknown) {
    const message = reason instanceof Error ? reason.message : String(reason);
    this._error = new Error(message, { cause: reason });
    this.problems = [
      {
        code: 'page_failed',
        message,
        hint: '',
        since: new Date().toISOString(),
        path: null
      }
    ];
  }

  readonly link = 'missing';
  readonly hello = null;
  readonly problems: readonly IProblem[];
  readonly recorders: readonly IRecorder[] = [];
  readonly changed: ISignal<IProtection, void> = new Signal<IProtection, void>(
    this
  );

  get api(): IApi {
    const refuse = () => Promise.reject(this._error);
    return {
      hello: refuse,
      open: refuse,
      draft: refuse,
      drafts: refuse,
      merge: refuse,
      version: refuse,
      discard: refuse
    };
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  attach({ context }: IAttachOptions): IRecorder {
    return new NoRecorder(context);
  }

  flushOrphans(): Promise<void> {
    return Promise.resolve();
  }

  detach(recorder: IRecorder): void {
    recorder.dispose();
  }

  retry(): void {
    // A reload of the page may help; nothing else does.
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  private _error: Error;
  private _isDisposed = false;
}
