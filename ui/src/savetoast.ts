/** When a save that the user asked for fails: one toast that says what is safe. */
import { Notification } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { OpenNotebook } from './opennotebook';
import { failureText } from './statustext';

/** What happens to the edits now. */
export function whatIsSafe(
  open: OpenNotebook,
  trans: TranslationBundle
): string {
  const { recorder } = open;
  if (!recorder || recorder.pending > recorder.kept) {
    return trans.__('Leave this page open: the last edits are only here.');
  }
  if (recorder.pending > 0) {
    return trans._n(
      '%1 edit is kept in this browser and will follow by itself.',
      '%1 edits are kept in this browser and will follow by themselves.',
      recorder.kept
    );
  }
  return trans.__('Your edits are safe in the server’s journal.');
}

/**
 * One toast a page: a second failure replaces the first. Without a server JupyterLab may be unable to load what
 * draws its toasts; the indicator opens its details then.
 */
export class SaveToast {
  constructor(trans: TranslationBundle, isAway: () => boolean) {
    this._trans = trans;
    this._isAway = isAway;
  }

  tell(open: OpenNotebook): void {
    const { lastSave, context } = open;
    if (!lastSave?.failure || lastSave.by !== 'user' || this._isAway()) {
      return;
    }
    if (open.conflict) {
      return; // The notice above the notebook says more.
    }
    const message = this._trans.__(
      '“%1” could not be saved: %2. %3',
      PathExt.basename(context.path),
      failureText(lastSave.failure, this._trans).replace(/\.$/, ''),
      whatIsSafe(open, this._trans)
    );
    if (Notification.manager.has(this._id)) {
      Notification.update({ id: this._id, message });
    } else {
      this._id = Notification.warning(message, { autoClose: 8000 });
    }
  }

  private _id = '';
  private _isAway: () => boolean;
  private _trans: TranslationBundle;
}
