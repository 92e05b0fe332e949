/** A notebook that cannot be saved: one banner above it that names the cause and what is safe, until it is over. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';

import type { IProtection, IRecorder } from './contracts';
import { Notice, type INoticeAction } from './notice';
import type { OpenNotebook } from './opennotebook';
import { awayText, failureDetail, failureText, whatIsSafe } from './savecause';
import { clockTime, isAway } from './statustext';

/** A server that restarts, or a laptop that wakes, is back sooner. */
export const AWAY_MS = 5_000;

export class SaveBanner implements IDisposable {
  constructor(options: SaveBanner.IOptions) {
    this._options = options;
    options.open.changed.connect(this.refresh, this);
    options.protection.changed.connect(this.refresh, this);
    options.open.context.disposed.connect(this.dispose, this);
    this.refresh();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get notice(): Notice | null {
    return this._notice;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    const { open, protection } = this._options;
    open.changed.disconnect(this.refresh, this);
    protection.changed.disconnect(this.refresh, this);
    open.context.disposed.disconnect(this.dispose, this);
    this._follow(null);
    window.clearTimeout(this._timer);
    this._notice?.dispose();
  }

  /** Show what is so now. */
  refresh(): void {
    if (this._isDisposed) {
      return;
    }
    const { open, protection } = this._options;
    this._follow(open.recorder);
    if (!isAway(protection.link)) {
      this._awaySince = null;
      window.clearTimeout(this._timer);
    } else if (this._awaySince === null) {
      this._awaySince = Date.now();
      this._timer = window.setTimeout(() => this.refresh(), AWAY_MS);
    }
    const text = this._text();
    if (text === null) {
      this._notice?.dispose();
      this._closed = null;
    } else if (this._closed === null || this._closed !== this._cause()) {
      this._show(text);
    }
  }

  /** What the banner is about: closed by the user, it comes back for another cause. */
  private _cause(): string {
    const { open, protection, trans } = this._options;
    const { lastSave } = open;
    return isAway(protection.link) || !lastSave?.failure
      ? protection.link
      : failureText(lastSave.failure, trans);
  }

  private _text(): string | null {
    const { open, protection, trans } = this._options;
    const { lastSave, conflict } = open;
    if (isAway(protection.link)) {
      const isLong =
        this._awaySince !== null && Date.now() - this._awaySince >= AWAY_MS;
      return isLong && open.isAhead
        ? `${awayText(protection.link, trans)} ${whatIsSafe(open, trans)}`
        : null;
    }
    if (!lastSave?.failure || conflict !== null || !open.isAhead) {
      return null; // Of a conflict another notice says more.
    }
    return trans.__(
      'Not saved (%1): %2. %3 It is tried again by itself.',
      clockTime(lastSave.at),
      failureText(lastSave.failure, trans).replace(/[.。]$/, ''),
      whatIsSafe(open, trans)
    );
  }

  private _actions(): INoticeAction[] {
    const { open, protection, trans, logIn } = this._options;
    if (protection.link === 'login') {
      return [
        {
          label: trans.__('Log in…'),
          caption: trans.__('Open the server’s login page in another tab'),
          run: logIn
        }
      ];
    }
    return [
      {
        label: trans.__('Try again now'),
        caption: trans.__('Do not wait for the next attempt'),
        run: async () => {
          protection.retry();
          if (!isAway(protection.link)) {
            await open.autosave();
          }
        }
      }
    ];
  }

  private _show(text: string): void {
    const { open, protection, trans } = this._options;
    const panel = open.panels[0];
    if (!panel) {
      return;
    }
    if (!this._notice) {
      const notice = new Notice({ text, actions: [], trans });
      notice.addClass('jp-mod-failed');
      notice.disposed.connect(() => {
        this._notice = null;
        this._shown = '';
        this._closed = this._cause();
      });
      this._notice = notice;
      panel.contentHeader.addWidget(notice);
    }
    // Not at each edit: a button that has the focus would lose it.
    const shown = `${protection.link} ${text}`;
    if (this._shown !== shown) {
      this._shown = shown;
      const failure = open.lastSave?.failure;
      this._notice.say(text, this._actions());
      this._notice.detail = failure ? failureDetail(failure) : '';
    }
  }

  private _follow(recorder: IRecorder | null): void {
    if (recorder !== this._recorder) {
      this._recorder?.changed.disconnect(this.refresh, this);
      this._recorder = recorder;
      recorder?.changed.connect(this.refresh, this);
    }
  }

  private _awaySince: number | null = null;
  /** The cause of the banner that the user closed. */
  private _closed: string | null = null;
  private _isDisposed = false;
  private _notice: Notice | null = null;
  private _options: SaveBanner.IOptions;
  private _recorder: IRecorder | null = null;
  private _shown = '';
  private _timer = 0;
}

export namespace SaveBanner {
  export interface IOptions {
    open: OpenNotebook;
    protection: IProtection;
    /** Opens the login page. */
    logIn: () => void;
    trans: TranslationBundle;
  }
}
