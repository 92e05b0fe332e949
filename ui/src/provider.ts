/**
 * What Jupyter reads and writes for a notebook goes through here. The first read brings the draft when there is
 * one; everything else is Jupyter's own. Whatever fails on our side, the notebook opens and saves as without us.
 */
import type { Contents, IContentProvider } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';

import type { IProtection } from './contracts';
import { isSameNotebook } from './diff';
import { SaveFailure } from './filesave';
import type { OpenNotebook } from './opennotebook';
import type { OpenNotebooks } from './opennotebooks';
import type { IOpening } from './protocol';

export const PROVIDER_ID = 'indelible';

/** How long a page waits for what another tab has left in this browser, and for the server's draft. */
export const FLUSH_MS = 3000;
export const OPEN_MS = 5000;
/** How often a save is tried again because the file has changed once more. */
const MERGES = 3;

/** JupyterLab shows no dialog for an error of this name. */
class QuietSaveError extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'ModalCancelError';
  }
}

function withoutHash(model: Contents.IModel): Contents.IModel {
  const { hash: _, hash_algorithm: __, ...rest } = model;
  return rest;
}

export class IndelibleProvider implements IContentProvider {
  constructor(options: IndelibleProvider.IOptions) {
    this._rest = options.rest;
    this._notebooks = options.notebooks;
    this._protection = options.protection;
  }

  async get(
    path: string,
    options: Contents.IFetchOptions = {}
  ): Promise<Contents.IModel> {
    const { contentProviderId: _, ...request } = options;
    if (request.content === false) {
      return this._getWithoutContent(path, request);
    }
    const waiting = this._notebooks.waiting(path);
    if (waiting) {
      return this._getFirst(waiting, path, request);
    }
    const model = await this._rest.get(path, { ...request, hash: true });
    this._notebooks.ready(path)?.reloading(model);
    return model;
  }

  async save(
    path: string,
    options: Partial<Contents.IModel> & Contents.IContentProvisionOptions = {}
  ): Promise<Contents.IModel> {
    const { contentProviderId: _, ...model } = options;
    const ours = this._notebooks.ready(path);
    if (ours?.canSaveByJournal && model.type === 'notebook') {
      try {
        return await this._saveByJournal(ours);
      } catch (reason) {
        if (!(reason instanceof SaveFailure) || !reason.isForFullSave) {
          throw this._quiet(path, reason);
        }
        console.info(
          `Indelible: ${path} is sent whole: ${reason.message} (${reason.code})`
        );
      }
      await this._checkUnchanged(ours, path);
    }
    try {
      return await this._rest.save(path, model);
    } catch (reason) {
      const open = this._notebooks.ready(path);
      if (open && !(reason instanceof ServerConnection.ResponseError)) {
        open.attempted = model.content;
      }
      throw this._quiet(path, reason);
    }
  }

  /** Save; what somebody else has written meanwhile is merged first. */
  private async _saveByJournal(open: OpenNotebook): Promise<Contents.IModel> {
    for (let tries = 1; ; tries++) {
      try {
        return await open.saveByJournal(open.conflict === 'recreate');
      } catch (reason) {
        const { changes } = open;
        const code = reason instanceof SaveFailure ? reason.code : '';
        if (code === 'file_gone') {
          changes?.fileGone();
        }
        if (code !== 'file_changed' || !changes || tries > MERGES) {
          throw reason;
        }
        if ((await changes.merge()) === 'conflict') {
          throw new SaveFailure('conflict', '');
        }
      }
    }
  }

  /** Before the file is replaced by a PUT, which does not look. Rejects, quietly, when it is not what we know. */
  private async _checkUnchanged(
    open: OpenNotebook,
    path: string
  ): Promise<void> {
    const known = open.fileHash;
    let found: string | null = null;
    try {
      const request = { content: false, hash: true };
      found = (await this._rest.get(path, request)).hash ?? null;
    } catch (reason) {
      throw this._quiet(path, reason);
    }
    if (known !== null && found !== null && known !== found) {
      const failure = new SaveFailure('file_changed', '', '', found);
      throw this._quiet(path, failure);
    }
  }

  private async _getFirst(
    open: OpenNotebook,
    path: string,
    request: Contents.IFetchOptions
  ): Promise<Contents.IModel> {
    await this._protection.flushOrphans(FLUSH_MS).catch(reason => {
      console.warn(
        'Indelible: what another tab left could not be sent',
        reason
      );
    });
    const file = await this._rest.get(path, { ...request, hash: true });
    if (file.type !== 'notebook') {
      return file;
    }
    const opening = await this._askForDraft(path, file.hash ?? null);
    const draft = Array.isArray(opening?.draft?.content?.cells)
      ? opening.draft
      : null;
    open.setLoaded({ file, draft, others: opening?.others ?? [] });
    return draft ? { ...file, content: draft.content } : file;
  }

  private async _askForDraft(
    path: string,
    hash: string | null
  ): Promise<IOpening | null> {
    if (
      this._protection.link === 'missing' ||
      this._protection.link === 'off'
    ) {
      return null;
    }
    let timer = 0;
    const tooLate = new Promise<null>(resolve => {
      timer = window.setTimeout(resolve, OPEN_MS, null);
    });
    try {
      return await Promise.race([
        this._protection.api.open(path, hash),
        tooLate
      ]);
    } catch (reason) {
      console.warn('Indelible: no draft could be asked for', reason);
      return null;
    } finally {
      window.clearTimeout(timer);
    }
  }

  /** Before a save Jupyter compares hashes, after it takes the new one, and "Save As" asks whether a name is free. */
  private async _getWithoutContent(
    path: string,
    request: Contents.IFetchOptions
  ): Promise<Contents.IModel> {
    const open = this._notebooks.ready(path);
    const answer = this._known(open, request);
    if (answer) {
      return answer;
    }
    let model: Contents.IModel;
    try {
      model = await this._rest.get(path, request);
    } catch (reason) {
      if (open?.written) {
        return withoutHash(open.written); // The file is written; only the question after it got lost.
      }
      const isAbsent =
        reason instanceof ServerConnection.ResponseError &&
        reason.response.status === 404;
      throw open && !isAbsent ? this._quiet(path, reason) : reason;
    }
    if (!open || !request.hash) {
      return model;
    }
    if (!open.isHashOfOurWrite(model)) {
      // Without a hash Jupyter compares the times at the next save, and asks.
      return withoutHash(model);
    }
    const known = open.context.contentsModel?.hash;
    if (open.attempted !== null && known && model.hash !== known) {
      return (await this._isAttempt(open, path))
        ? { ...model, hash: known }
        : model;
    }
    return model;
  }

  /** What Jupyter compares around a save: where the server compares by itself, what the page knows is enough. */
  private _known(
    open: OpenNotebook | null,
    request: Contents.IFetchOptions
  ): Contents.IModel | null {
    if (!open || !request.hash) {
      return null;
    }
    const { byJournal, context } = open;
    if (byJournal) {
      return { ...byJournal.model, content: null, hash: byJournal.hash };
    }
    const isBeforeSave = open.written === null && open.isSaveUnderWay;
    return isBeforeSave && open.canSaveByJournal && context.contentsModel
      ? { ...context.contentsModel, content: null }
      : null;
  }

  /** Whether the file is what we tried to write when the connection broke: then nobody else has changed it. */
  private async _isAttempt(open: OpenNotebook, path: string): Promise<boolean> {
    try {
      const file = await this._rest.get(path, {
        type: 'notebook',
        content: true
      });
      return isSameNotebook(file.content, open.attempted);
    } catch {
      return false;
    }
  }

  /** A failed save of a notebook that is ours is told by the banner and the indicator, not in a dialog. */
  private _quiet(path: string, reason: unknown): Error {
    const error = reason instanceof Error ? reason : new Error(String(reason));
    const open = this._notebooks.ready(path);
    if (!open) {
      return error;
    }
    open.saveFailed(error);
    return new QuietSaveError(error.message, error);
  }

  private _notebooks: OpenNotebooks;
  private _protection: IProtection;
  private _rest: Pick<IContentProvider, 'get' | 'save'>;
}

export namespace IndelibleProvider {
  export interface IOptions {
    /** Jupyter's own. */
    rest: Pick<IContentProvider, 'get' | 'save'>;
    notebooks: OpenNotebooks;
    protection: IProtection;
  }
}
