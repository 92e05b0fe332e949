/** What came back, or what could: one notice in the notebook, and what the user can do with it. */
import type { INotebookContent } from '@jupyterlab/nbformat';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';

import { showComparison, type ISide } from './compare';
import type { IApi } from './contracts';
import { Notice, type INoticeAction } from './notice';
import type { OpenNotebook } from './opennotebook';
import type { IDraft, IDraftSummary } from './protocol';
import { putCells } from './putcells';

/** How long the last word of a notice stays. */
const FAREWELL_MS = 12_000;

/** "15:32" today, else with the date. */
export function moment(iso: string, now: number): string {
  const at = new Date(iso);
  const isToday = at.toDateString() === new Date(now).toDateString();
  return at.toLocaleString(undefined, {
    ...(isToday ? {} : { day: 'numeric', month: 'short' }),
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23'
  });
}

export class Recovery implements IDisposable {
  constructor(options: Recovery.IOptions) {
    this._open = options.open;
    this._api = options.api;
    this._trans = options.trans;
    this._compare = options.compare ?? showComparison;
    this._open.context.disposed.connect(this.dispose, this);
    this._open.context.ready.then(
      () => this._start(),
      () => this.dispose()
    );
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
    this._open.context.disposed.disconnect(this.dispose, this);
    this._notice?.dispose();
  }

  private _start(): void {
    const { loaded } = this._open;
    if (!loaded || this._isDisposed) {
      return;
    }
    // A discarded draft is not brought up again; `indelible recover` still has it.
    this._others = loaded.others.filter(
      other => other.state !== 'discarded' && other.cells_changed > 0
    );
    if (loaded.draft) {
      this._tellRecovered(
        loaded.draft,
        loaded.file.content as INotebookContent
      );
    } else {
      this._next();
    }
  }

  /** Go on with the next draft that is not shown. */
  private _next(): void {
    const other = this._others.shift();
    if (!other || this._isDisposed) {
      this._open.releaseLoaded();
      return;
    }
    if (other.state === 'live') {
      this._tellLive(other);
    } else {
      this._tellOffered(other);
    }
  }

  private _tellRecovered(draft: IDraft, file: INotebookContent): void {
    const trans = this._trans;
    const when = moment(draft.edited_at, Date.now());
    const compare = () =>
      this._compare(
        trans.__('What was recovered'),
        { label: trans.__('the file'), cells: file.cells },
        {
          label: trans.__('recovered, from %1', when),
          cells: draft.content.cells as unknown as ISide['cells']
        },
        trans
      );
    const discard = async () => {
      if (this._open.lastSave && !this._open.lastSave.failure) {
        // The file holds the draft by now: what it held before comes back by ordinary edits.
        putCells(this._open.context.model.sharedModel, file.cells);
        this._farewell(
          trans.__(
            'The notebook is as the file was before. “Undo Cell Operation” in the Edit menu takes it back.'
          )
        );
        return;
      }
      await this._open.discard();
      this._farewell(
        trans.__(
          'Discarded. It is kept: “indelible recover --list” on the server shows it.'
        )
      );
    };
    this._say(
      trans._n(
        'Recovered unsaved work from %2: %1 cell changed.',
        'Recovered unsaved work from %2: %1 cells changed.',
        draft.cells_changed,
        when
      ),
      [
        this._compareAction(compare),
        {
          label: trans.__('Discard'),
          caption: trans.__(
            'Go back to the file. What was recovered is kept and can be brought back.'
          ),
          run: discard
        }
      ]
    );
  }

  private _tellOffered(other: IDraftSummary): void {
    const trans = this._trans;
    const when = moment(other.edited_at, Date.now());
    const text = other.base_is_current
      ? trans._n(
          'There is other unsaved work from %2: %1 cell changed.',
          'There is other unsaved work from %2: %1 cells changed.',
          other.cells_changed,
          when
        )
      : trans._n(
          'The file has changed since. Unsaved work from %2 is kept: %1 cell changed.',
          'The file has changed since. Unsaved work from %2 is kept: %1 cells changed.',
          other.cells_changed,
          when
        );
    this._say(text, [
      this._compareAction(() =>
        this._compareWith(other, trans.__('the draft, from %1', when))
      ),
      {
        label: trans.__('Open draft'),
        caption: trans.__(
          'Put the draft’s cells into this notebook. “Undo Cell Operation” in the Edit menu takes it back.'
        ),
        run: async () => {
          const { content } = await this._api.draft(other.wc);
          const { model } = this._open.context;
          putCells(
            model.sharedModel,
            content.cells as unknown as ISide['cells']
          );
          model.dirty = true;
          // It lives on in this working copy; offered again it would only confuse.
          await this._api.discard(other.wc).catch(() => undefined);
          this._farewell(
            trans.__(
              'The draft is in the notebook. “Undo Cell Operation” in the Edit menu takes it back.'
            )
          );
        }
      },
      {
        label: trans.__('Discard'),
        caption: trans.__(
          'Do not offer this draft again. It is kept and can be brought back.'
        ),
        run: async () => {
          await this._api.discard(other.wc);
          this._farewell(
            trans.__(
              'Discarded. It is kept: “indelible recover --list” on the server shows it.'
            )
          );
        }
      }
    ]);
  }

  private _tellLive(other: IDraftSummary): void {
    const trans = this._trans;
    this._say(
      trans._n(
        'This notebook is open in another tab with unsaved work: %1 cell changed.',
        'This notebook is open in another tab with unsaved work: %1 cells changed.',
        other.cells_changed
      ),
      [
        this._compareAction(() =>
          this._compareWith(other, trans.__('the other tab'))
        )
      ]
    );
  }

  private _compareAction(run: () => Promise<void>): INoticeAction {
    const trans = this._trans;
    return {
      label: trans.__('Compare'),
      caption: trans.__('Show the differences, cell by cell'),
      run
    };
  }

  private async _compareWith(
    other: IDraftSummary,
    label: string
  ): Promise<void> {
    const { content } = await this._api.draft(other.wc);
    const here = this._open.context.model.sharedModel.toJSON();
    await this._compare(
      this._trans.__('What differs'),
      { label: this._trans.__('this notebook'), cells: here.cells },
      { label, cells: content.cells as unknown as ISide['cells'] },
      this._trans
    );
  }

  private _say(text: string, actions: readonly INoticeAction[]): void {
    const panel = this._open.panels[0];
    if (!panel) {
      return;
    }
    const notice = new Notice({ text, actions, trans: this._trans });
    this._notice = notice;
    notice.disposed.connect(() => {
      this._notice = null;
      this._next();
    });
    panel.contentHeader.addWidget(notice);
  }

  private _farewell(text: string): void {
    this._notice?.say(text, [], FAREWELL_MS);
  }

  private _api: IApi;
  private _compare: typeof showComparison;
  private _isDisposed = false;
  private _notice: Notice | null = null;
  private _open: OpenNotebook;
  private _others: IDraftSummary[] = [];
  private _trans: TranslationBundle;
}

export namespace Recovery {
  export interface IOptions {
    open: OpenNotebook;
    api: IApi;
    trans: TranslationBundle;
    compare?: typeof showComparison;
  }
}
