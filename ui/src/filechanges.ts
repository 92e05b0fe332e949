/**
 * The file under an open notebook was written by somebody else: without unsaved edits it is shown, with them it is
 * merged, and where both sides changed the same the user chooses. Nothing is asked twice, and nothing is lost.
 */
import type { ICell, INotebookContent } from '@jupyterlab/nbformat';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';

import { ApiError } from './api';
import type { IApi } from './contracts';
import { pairCells } from './diff';
import { SaveFailure } from './filesave';
import { applyMerge, type Choice } from './mergefile';
import { Notice, type INoticeAction } from './notice';
import type { OpenNotebook } from './opennotebook';
import type { IMergeAnswer } from './protocol';
import { putCells } from './putcells';

const QUIET_MS = 12_000;
const TRIES = 10;
const AGAIN_MS = 150;

export type Outcome = 'merged' | 'conflict';

/** Shows the conflicts; null when the user wants to think about it. */
export type Choose = (
  answer: IMergeAnswer,
  trans: TranslationBundle
) => Promise<Choice[] | null>;

export class FileChanges implements IDisposable {
  constructor(options: FileChanges.IOptions) {
    this._open = options.open;
    this._api = options.api;
    this._read = options.read;
    this._trans = options.trans;
    this._choose = options.choose;
    this._open.context.disposed.connect(this.dispose, this);
    this._open.changed.connect(this._onChanged, this);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get notice(): Notice | null {
    return this._notice;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._open.context.disposed.disconnect(this.dispose, this);
      this._open.changed.disconnect(this._onChanged, this);
      this._notice?.dispose();
    }
  }

  /** What the user was asked is answered otherwise, or has no object any more. */
  reset(): void {
    this._asksAbout = null;
    if (this._isAsking) {
      this._notice?.dispose();
    }
  }

  /** The file holds something else now, as the server has seen. */
  async fileChanged(hash: string): Promise<void> {
    const { recorder, context } = this._open;
    this._seen = null;
    if (!recorder) {
      return;
    }
    if (this._open.isSaveUnderWay) {
      this._seen = hash; // Ours, most likely: to be looked at when the save is over.
      return;
    }
    const { conflict, fileHash } = this._open;
    if (hash === this._asksAbout) {
      return;
    }
    if (conflict === 'gone' || conflict === 'broken' || hash === fileHash) {
      // It is there again, or another one, or as it was: the next save finds out whether anything is to be asked.
      this._open.conflict = null;
      this.reset();
    }
    if (hash === fileHash) {
      return;
    }
    if (this._open.isAhead) {
      return; // It will be merged with the next save.
    }
    const model = await this._read(context.localPath);
    const content = model.content as INotebookContent | null;
    if (
      !Array.isArray(content?.cells) ||
      this._isDisposed ||
      this._open.isAhead ||
      model.hash === this._open.fileHash
    ) {
      return;
    }
    const changed = this._show(content, model.hash ?? hash);
    this._say(
      this._trans._n(
        'The file was changed outside and is shown: %1 cell is new or different.',
        'The file was changed outside and is shown: %1 cells are new or different.',
        changed
      )
    );
  }

  /** A save found another file than the one that was read. Rejects when nothing can be done now. */
  async merge(): Promise<Outcome> {
    const answer = await this._merged();
    if (answer.conflicts.length > 0) {
      this._tellConflict(answer);
      return 'conflict';
    }
    const changed = answer.cells.filter(one => one.cell !== null).length;
    this._open.conflict = null;
    this._open.mergedFile(
      answer.hash,
      applyMerge(this._open.context.model.sharedModel, answer)
    );
    this._say(
      this._trans._n(
        'The file was changed outside. Both sides are in the notebook now: %1 cell came from the file.',
        'The file was changed outside. Both sides are in the notebook now: %1 cells came from the file.',
        changed
      )
    );
    return 'merged';
  }

  /** The file was deleted or moved away: asked once, and not saved again by itself. */
  fileGone(): void {
    if (this._open.conflict === 'gone') {
      return;
    }
    this._open.conflict = 'gone';
    const trans = this._trans;
    this._ask(
      null,
      trans.__(
        'The file was deleted or moved outside. The notebook is safe in the journal, and is not written again unless you say so.'
      ),
      [
        {
          label: trans.__('Save it here again'),
          caption: trans.__('Write the file as it was'),
          run: async () => {
            this._open.conflict = 'recreate';
            try {
              await this._open.context.save();
              this._notice?.dispose();
            } catch (reason) {
              this._open.conflict = 'gone';
              throw reason;
            }
          }
        }
      ]
    );
  }

  /** What the file holds, with this hash, is no notebook (the marks of a git conflict, half a file): asked once. */
  fileBroken(hash: string): void {
    if (this._open.conflict === 'broken') {
      return;
    }
    this._open.conflict = 'broken';
    const trans = this._trans;
    this._ask(
      hash,
      trans.__(
        'What was written into the file outside is no notebook. It is kept; the notebook here is safe in the journal, and is not written over it unless you say so.'
      ),
      [
        {
          label: trans.__('Write the notebook'),
          caption: trans.__('Make the file the notebook that you see'),
          run: async () => {
            this._open.overwrites(hash);
            await this._open.context.save();
          }
        }
      ]
    );
  }

  private _show(content: INotebookContent, hash: string): number {
    const { sharedModel } = this._open.context.model;
    const here = sharedModel.toJSON().cells as ICell[];
    const pairs = pairCells(here, content.cells);
    const answer: IMergeAnswer = {
      hash,
      trusted: false,
      theirs: content.cells.length,
      cells: pairs
        .filter(one => one.after !== null)
        .map(one => ({
          ours: one.beforeIndex,
          theirs: one.afterIndex,
          is_theirs: true,
          cell: one.kind === 'same' ? null : one.after
        })),
      meta: content,
      is_meta_ours: false,
      is_meta_theirs: true,
      conflicts: [],
      kept: 0
    };
    this._open.mergedFile(hash, applyMerge(sharedModel, answer));
    return pairs.filter(one => one.kind !== 'same').length;
  }

  /**
   * The server's merge of what the page shows this moment. What is typed while it is under way stands, as long as the
   * merge does not change those cells.
   */
  private async _merged(): Promise<IMergeAnswer> {
    for (let tries = 1; tries <= TRIES; tries++) {
      const { recorder, fileHash, context } = this._open;
      if (!recorder) {
        throw new Error(this._trans.__('the notebook was closed'));
      }
      const seq = recorder.settle();
      try {
        const answer = await this._api.merge({
          wc: recorder.wc,
          epoch: recorder.epoch,
          seq,
          path: context.localPath,
          file: fileHash
        });
        const isSame = this._open.recorder === recorder;
        const edited = isSame ? recorder.cellsSince(seq) : null;
        const current = edited && withoutEdited(answer, edited);
        if (current) {
          return current;
        }
      } catch (reason) {
        // The last edits are still under way.
        if (!(reason instanceof ApiError && reason.code === 'behind')) {
          throw reason;
        }
      }
      await new Promise(resolve => window.setTimeout(resolve, AGAIN_MS));
    }
    throw new SaveFailure('busy', '');
  }

  private _tellConflict(answer: IMergeAnswer): void {
    const isKnown = this._open.conflict === 'merge' && this._notice;
    this._open.conflict = 'merge';
    if (isKnown) {
      this._asksAbout = answer.hash;
      return;
    }
    const trans = this._trans;
    this._ask(
      answer.hash,
      trans._n(
        'The file was changed outside: %1 cell differs there and here. Both are kept; saving waits for your choice.',
        'The file was changed outside: %1 cells differ there and here. Both are kept; saving waits for your choice.',
        answer.conflicts.length
      ),
      [
        {
          label: trans.__('Choose…'),
          caption: trans.__('Show both sides of each cell'),
          run: () => this.resolve()
        }
      ]
    );
  }

  /** Let the user choose, and save. */
  async resolve(): Promise<void> {
    let answer = await this._merged();
    let choices: Choice[] | null = [];
    while (answer.conflicts.length > 0) {
      choices = await this._choose(answer, this._trans);
      if (choices === null) {
        return;
      }
      const again = await this._merged();
      // A choice is for the cells that were shown, and for no other.
      const isSame =
        JSON.stringify(again.conflicts) === JSON.stringify(answer.conflicts);
      answer = again;
      if (isSame) {
        break;
      }
    }
    const { sharedModel } = this._open.context.model;
    this._open.conflict = null;
    this._open.mergedFile(
      answer.hash,
      applyMerge(sharedModel, answer, choices)
    );
    this._notice?.dispose();
    await this._open.context.save();
  }

  private _onChanged(open: OpenNotebook): void {
    const { lastSave } = open;
    if (!lastSave || lastSave === this._told) {
      return;
    }
    this._told = lastSave;
    if (this._seen !== null) {
      void this.fileChanged(this._seen).catch(() => undefined);
    }
    if (lastSave.shrunk) {
      this._tellShrunk(lastSave.shrunk.version);
    }
  }

  private _tellShrunk(version: number): void {
    const trans = this._trans;
    const { context } = this._open;
    this._say(
      trans.__(
        'This save dropped most of the notebook. What the file held before is kept.'
      ),
      [
        {
          label: trans.__('Bring it back'),
          caption: trans.__(
            'Put those cells into the notebook again. “Undo Cell Operation” in the Edit menu takes it back.'
          ),
          run: async () => {
            const { cells } = await this._api.version(
              context.localPath,
              version
            );
            putCells(context.model.sharedModel, cells);
            this._notice?.dispose();
          }
        }
      ]
    );
  }

  /** A notice that stays until it is answered; `about` is the hash of the file that it asks about. */
  private _ask(
    about: string | null,
    text: string,
    actions: readonly INoticeAction[]
  ): void {
    this._say(text, actions);
    this._isAsking = true;
    this._asksAbout = about;
  }

  /** One notice at a time; without actions it goes by itself. */
  private _say(text: string, actions: readonly INoticeAction[] = []): void {
    const panel = this._open.panels[0];
    if (!panel || this._isDisposed) {
      return;
    }
    this._notice?.dispose();
    this._isAsking = false;
    this._asksAbout = null;
    const notice = new Notice({ text, actions, trans: this._trans });
    this._notice = notice;
    notice.disposed.connect(() => {
      if (this._notice === notice) {
        this._notice = null;
      }
    });
    panel.contentHeader.addWidget(notice);
    if (actions.length === 0) {
      notice.say(text, [], QUIET_MS);
    }
  }

  private _api: IApi;
  private _choose: Choose;
  private _asksAbout: string | null = null;
  /** The notice wants an answer. */
  private _isAsking = false;
  private _isDisposed = false;
  private _notice: Notice | null = null;
  private _open: OpenNotebook;
  private _read: (path: string) => Promise<Contents.IModel>;
  private _seen: string | null = null;
  private _told: unknown = null;
  private _trans: TranslationBundle;
}

/**
 * A merge of what the page held before these cells (by index) were edited, as it holds now; null when it would change
 * one of them.
 */
function withoutEdited(
  answer: IMergeAnswer,
  edited: readonly number[]
): IMergeAnswer | null {
  if (edited.length === 0) {
    return answer;
  }
  const left = new Set(edited);
  const kept = new Set(answer.cells.map(one => one.ours));
  const isInTheWay =
    answer.conflicts.length > 0 ||
    edited.some(index => !kept.has(index)) ||
    answer.cells.some(
      one => one.ours !== null && left.has(one.ours) && one.cell !== null
    );
  return isInTheWay
    ? null
    : {
        ...answer,
        cells: answer.cells.map(one =>
          one.ours !== null && left.has(one.ours)
            ? { ...one, is_theirs: false }
            : one
        )
      };
}

export namespace FileChanges {
  export interface IOptions {
    open: OpenNotebook;
    api: IApi;
    /** The file with its content and hash. */
    read: (path: string) => Promise<Contents.IModel>;
    choose: Choose;
    trans: TranslationBundle;
  }
}
