/** Asks the server to write a notebook's file from its journal: one small message instead of the whole notebook. */
import type { INotebookModel } from '@jupyterlab/notebook';
import type { ICodeCellModel } from '@jupyterlab/cells';
import type { Contents } from '@jupyterlab/services';

import type { ISavePoint } from './contracts';
import type { ClientMessage, ServerMessage } from './protocol';

/** The server's answer: the file holds everything up to `point`. */
export interface IWrote {
  readonly point: ISavePoint;
  readonly hash: string;
  readonly model: Contents.IModel;
  /** What the save replaced, when it dropped most of the notebook. */
  readonly shrunk: { version: number; note: string } | null;
}

/** Why the file was not written. `found`: the file's hash, when somebody else has changed it. */
export class SaveFailure extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint = '',
    readonly found: string | null = null
  ) {
    super(message);
    this.name = 'SaveFailure';
  }

  /** Whether Jupyter's own way of saving, which sends everything, is worth trying. */
  get isForFullSave(): boolean {
    return FULL_SAVE.includes(this.code);
  }
}

const FULL_SAVE = [
  'base_unavailable',
  'behind',
  'internal',
  'malformed',
  'not_local',
  'page_differs',
  'save_refused',
  'store_failed',
  'superseded',
  'unknown_working_copy'
];

/** How long an answer is waited for, and so much more for each megabyte of the file. */
const ANSWER_MS = 10_000;
const ANSWER_MS_PER_MB = 500;

type Answer = Extract<ServerMessage, { t: 'wrote' | 'unsaved' }>;

/** The saves that one recorder has asked for. */
export class FileSaves {
  /**
   * Send what `send` makes of an id, and wait for the answer. When none comes (the file's disk may hang) the save counts
   * as failed, though it may still be made; the next one finds what it has written. `size` is the file's, in bytes.
   */
  ask(
    point: ISavePoint,
    size: number,
    send: (id: number) => boolean
  ): Promise<IWrote> {
    const id = ++this._last;
    return new Promise((resolve, reject) => {
      if (!send(id)) {
        reject(new SaveFailure('offline', 'the server is not in reach'));
        return;
      }
      const timer = window.setTimeout(
        () => {
          this._waiting.delete(id);
          reject(new SaveFailure('no_answer', 'the server does not answer'));
        },
        ANSWER_MS + (ANSWER_MS_PER_MB * size) / 2 ** 20
      );
      this._waiting.set(id, { point, resolve, reject, timer });
    });
  }

  answered(answer: Answer): void {
    const waiting = this._waiting.get(answer.id);
    if (!waiting) {
      return;
    }
    this._waiting.delete(answer.id);
    window.clearTimeout(waiting.timer);
    if (answer.t === 'wrote') {
      const { hash, model, shrunk } = answer;
      waiting.resolve({ point: waiting.point, hash, model, shrunk });
    } else {
      const { error, message, hint, found } = answer;
      waiting.reject(new SaveFailure(error, message, hint, found ?? null));
    }
  }

  /** No answer will come any more. */
  lost(): void {
    for (const { reject, timer } of this._waiting.values()) {
      window.clearTimeout(timer);
      reject(new SaveFailure('offline', 'the connection was lost'));
    }
    this._waiting.clear();
  }

  private _last = 0;
  private _waiting = new Map<
    number,
    {
      point: ISavePoint;
      resolve: (wrote: IWrote) => void;
      reject: (reason: SaveFailure) => void;
      timer: number;
    }
  >();
}

/** Whether Jupyter would call all of it trusted: cells that are, and cells without rich output. */
export function isTrusted(model: INotebookModel): boolean {
  for (const cell of model.cells) {
    if (cell.type === 'code' && !cell.trusted) {
      const { outputs } = cell as ICodeCellModel;
      for (let index = 0; index < outputs.length; index++) {
        if (UNSAFE.includes(outputs.get(index).type)) {
          return false;
        }
      }
    }
  }
  return true;
}

const UNSAFE = ['display_data', 'execute_result', 'update_display_data'];

export type SaveMessage = Extract<ClientMessage, { t: 'save' }>;
