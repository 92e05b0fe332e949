/**
 * What Jupyter reads and writes for a notebook goes through here. The first read brings the draft when there is
 * one; everything else is Jupyter's own. Whatever fails on our side, the notebook opens and saves as without us.
 */
import type { Contents, IContentProvider } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';

import { ApiError } from './api';
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

function isNotFound(reason: unknown): boolean {
  return (
    reason instanceof ServerConnection.ResponseError &&
    reason.response.status === 404
  );
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
    if (!ours || model.type !== 'notebook' || ours.mode !== 'full') {
      return this._rest.save(path, model);
    }
    try {
      return (
        (await this._saveByJournal(ours, path)) ??
        (await this._saveWhole(ours, path, model))
      );
    } catch (reason) {
      throw this._quiet(ours, reason);
    }
  }

  /** Have the server write the file; null when everything must be sent instead. */
  private async _saveByJournal(
    open: OpenNotebook,
    path: string
  ): Promise<Contents.IModel | null> {
    if (!open.canSaveByJournal) {
      return null;
    }
    for (let tries = 1; ; tries++) {
      try {
        return await open.saveByJournal(open.conflict === 'recreate');
      } catch (reason) {
        if (!(reason instanceof SaveFailure)) {
          throw reason;
        }
        if (reason.isForFullSave) {
          console.info(
            `Indelible: ${path} is sent whole: ${reason.message} (${reason.code})`
          );
          return null;
        }
        if (reason.code !== 'file_changed' || tries > MERGES) {
          this._tellGone(open, path, reason.code);
          throw reason;
        }
        await this._merge(open, reason.found);
      }
    }
  }

  /** Jupyter's own way. It does not look before it writes, so we do; what we then send is what is here by now. */
  private async _saveWhole(
    open: OpenNotebook,
    path: string,
    model: Partial<Contents.IModel>
  ): Promise<Contents.IModel> {
    for (let tries = 1; ; tries++) {
      const found = await this._changedHash(open, path);
      if (found === null) {
        break;
      }
      if (tries > MERGES) {
        throw new SaveFailure('file_changed', '', '', found);
      }
      await this._merge(open, found);
    }
    const content = open.freshContent();
    try {
      return await this._rest.save(path, { ...model, content });
    } catch (reason) {
      if (!(reason instanceof ServerConnection.ResponseError)) {
        open.attempted = content;
      }
      throw reason;
    }
  }

  /** Bring in what somebody else has written. Rejects when that needs the user. */
  private async _merge(
    open: OpenNotebook,
    found: string | null
  ): Promise<void> {
    const { changes } = open;
    if (!changes) {
      throw new SaveFailure('file_changed', '', '', found);
    }
    try {
      if ((await changes.merge()) === 'conflict') {
        throw new SaveFailure('conflict', '');
      }
    } catch (reason) {
      const isApi = reason instanceof ApiError;
      if (isApi && reason.code === 'not_a_notebook' && found !== null) {
        changes.fileBroken(found);
        throw new SaveFailure('not_a_notebook', reason.message);
      }
      throw reason;
    }
  }

  /** SHA-256 of what the file holds, if that is not what the page takes it for. */
  private async _changedHash(
    open: OpenNotebook,
    path: string
  ): Promise<string | null> {
    const known = open.fileHash;
    let found: string | null = null;
    try {
      const request = { content: false, hash: true };
      found = (await this._rest.get(path, request)).hash ?? null;
    } catch (reason) {
      if (!isNotFound(reason)) {
        throw reason;
      }
      if (open.conflict !== 'recreate') {
        this._tellGone(open, path, 'file_gone');
        throw new SaveFailure('file_gone', '');
      }
      return null;
    }
    if (known === null || found === null || known === found) {
      return null;
    }
    const isOurs =
      open.attempted !== null && (await this._isAttempt(open, path));
    return isOurs ? null : found;
  }

  /** The file was deleted or moved away; unless it was renamed by us while the save was under way. */
  private _tellGone(open: OpenNotebook, path: string, code: string): void {
    if (code === 'file_gone' && open.context.localPath === path) {
      open.changes?.fileGone();
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
      throw open && !isNotFound(reason) ? this._quiet(open, reason) : reason;
    }
    // Without a hash Jupyter compares the times at the next save.
    return !open || !request.hash || open.isHashOfOurWrite(model)
      ? model
      : withoutHash(model);
  }

  /** What Jupyter compares around a save: it is compared by us, so what the page knows is enough. */
  private _known(
    open: OpenNotebook | null,
    request: Contents.IFetchOptions
  ): Contents.IModel | null {
    if (!open || !request.hash || open.mode !== 'full') {
      return null;
    }
    const { byJournal, context } = open;
    if (byJournal) {
      return { ...byJournal.model, content: null, hash: byJournal.hash };
    }
    const isBeforeSave = open.written === null && open.isSaveUnderWay;
    return isBeforeSave && context.contentsModel
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
  private _quiet(open: OpenNotebook, reason: unknown): Error {
    const error = reason instanceof Error ? reason : new Error(String(reason));
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
