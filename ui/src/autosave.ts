/** Saves one notebook by itself: by the clock, when the focus is lost, after a run. */
import {
  NotebookActions,
  type Notebook,
  type NotebookPanel
} from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';

import type { IProtection } from './contracts';
import type { AutosaveInterval } from './interval';
import type { ISaveResult, OpenNotebook } from './opennotebook';
import { isAway } from './statustext';

/** How long after a failed save it is tried again, doubling. */
const FIRST_RETRY_MS = 5_000;
const LAST_RETRY_MS = 60_000;

export interface IAutosaveOptions {
  saveOnBlur: boolean;
  saveAfterRun: boolean;
}

export class Autosave implements IDisposable {
  constructor(options: Autosave.IOptions) {
    this._open = options.open;
    this._interval = options.interval;
    this._protection = options.protection;
    this._events = options.events;
    this._startedAt = Date.now();
    this._interval.changed.connect(this._restart, this);
    this._protection.changed.connect(this._onLink, this);
    this._open.changed.connect(this._onSaved, this);
    NotebookActions.executed.connect(this._onExecuted, this);
    document.addEventListener('focusout', this._onFocusOut);
    document.addEventListener('visibilitychange', this._onVisibility);
    window.addEventListener('blur', this._onWindowBlur);
    options.open.context.disposed.connect(this.dispose, this);
    this._schedule();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    window.clearTimeout(this._timer);
    this._interval.changed.disconnect(this._restart, this);
    this._protection.changed.disconnect(this._onLink, this);
    this._open.changed.disconnect(this._onSaved, this);
    window.clearTimeout(this._retryTimer);
    this._open.context.disposed.disconnect(this.dispose, this);
    NotebookActions.executed.disconnect(this._onExecuted, this);
    document.removeEventListener('focusout', this._onFocusOut);
    document.removeEventListener('visibilitychange', this._onVisibility);
    window.removeEventListener('blur', this._onWindowBlur);
  }

  /** Write the notebook if it has changed and can be written. When the server is away it is made up for later. */
  save(): void {
    const { context } = this._open;
    // Neither has canSave, before the notebook is read, nor under real-time collaboration.
    const isWritable =
      context.isReady &&
      context.contentsModel?.writable &&
      !context.model.collaborative;
    // The user is asked, or has been: nobody is to be nagged.
    const waitsForUser = this._open.conflict !== null;
    if (
      this._isDisposed ||
      !isWritable ||
      !this._open.isAhead ||
      waitsForUser
    ) {
      this._isDue = false;
      return;
    }
    if (this._isAway || this._open.isSaving) {
      this._isDue = true;
      return;
    }
    this._isDue = false;
    void this._open.autosave().then(() => {
      if (this._open.lastSave?.failure && this._isAway) {
        this._isDue = true;
      } else if (this._isDue) {
        this.save();
      }
    });
  }

  private get _isAway(): boolean {
    return isAway(this._protection.link);
  }

  /** A new interval counts from now. */
  private _restart(): void {
    this._startedAt = Date.now();
    if (this._interval.ms === 0) {
      this._isDue = false;
    }
    this._schedule();
  }

  /** Measured from start to start, so that a slow save does not stretch the interval. */
  private _schedule(): void {
    window.clearTimeout(this._timer);
    const every = this._interval.ms;
    if (every === 0 || this._isDisposed) {
      return;
    }
    const wait = Math.max(0, this._startedAt + every - Date.now());
    this._timer = window.setTimeout(() => {
      // After sleep several intervals may have passed: one tick makes up for all.
      const late = Date.now() - this._startedAt - every;
      this._startedAt += every * (1 + Math.max(0, Math.floor(late / every)));
      this._schedule();
      this.save();
    }, wait);
  }

  /** A save that failed is tried again, whoever asked for it, until it succeeds. */
  private _onSaved(): void {
    const { lastSave } = this._open;
    if (lastSave === this._lastSave) {
      return;
    }
    this._lastSave = lastSave;
    window.clearTimeout(this._retryTimer);
    if (!lastSave?.failure) {
      this._retryMs = FIRST_RETRY_MS;
      return;
    }
    this._retryTimer = window.setTimeout(() => this.save(), this._retryMs);
    this._retryMs = Math.min(2 * this._retryMs, LAST_RETRY_MS);
  }

  private _onLink(): void {
    if (this._isDue && this._protection.link === 'connected') {
      this.save();
    }
  }

  private _holds(node: EventTarget | null): boolean {
    return (
      node instanceof Node &&
      this._open.panels.some(panel => panel.node.contains(node))
    );
  }

  /** The focus left the cell that was edited, or the notebook. */
  private _onFocusOut = (event: FocusEvent): void => {
    if (!this._events.saveOnBlur || !(event.target instanceof Element)) {
      return;
    }
    const cell = event.target.closest('.jp-Cell');
    const staysInCell =
      event.relatedTarget instanceof Node &&
      cell?.contains(event.relatedTarget);
    if (cell && !staysInCell && this._holds(cell)) {
      this.save();
    }
  };

  private _onVisibility = (): void => {
    if (this._events.saveOnBlur && document.hidden) {
      this.save();
    }
  };

  private _onWindowBlur = (): void => {
    if (this._events.saveOnBlur) {
      this.save();
    }
  };

  private _onExecuted(_: unknown, args: { notebook: Notebook }): void {
    const isOurs = this._open.panels.some(
      (panel: NotebookPanel) =>
        !panel.isDisposed && panel.content === args.notebook
    );
    if (this._events.saveAfterRun && isOurs) {
      this.save();
    }
  }

  private _events: IAutosaveOptions;
  private _interval: AutosaveInterval;
  private _isDisposed = false;
  /** A save was not possible when its time had come. */
  private _isDue = false;
  private _open: OpenNotebook;
  private _lastSave: ISaveResult | null = null;
  private _protection: IProtection;
  private _retryMs = FIRST_RETRY_MS;
  private _retryTimer = 0;
  private _startedAt: number;
  private _timer = 0;
}

export namespace Autosave {
  export interface IOptions {
    open: OpenNotebook;
    interval: AutosaveInterval;
    protection: IProtection;
    /** Read at each event, so that a change of the settings holds at once. */
    events: IAutosaveOptions;
  }
}
