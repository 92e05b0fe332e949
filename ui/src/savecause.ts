/** Why a save failed and what is safe meanwhile, in the reader's language. Pure. */
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Link } from './contracts';
import { SaveFailure } from './filesave';
import type { OpenNotebook } from './opennotebook';

/** The error that our provider wraps has the cause. */
function innermost(failure: Error): Error {
  return failure.cause instanceof Error ? innermost(failure.cause) : failure;
}

/** Why a save failed. The browser's own words for a lost connection differ, and help nobody. */
export function failureText(failure: Error, trans: TranslationBundle): string {
  const reason = innermost(failure);
  if (reason instanceof SaveFailure) {
    return causeByCode(reason, trans);
  }
  if (reason instanceof ServerConnection.ResponseError) {
    return causeByStatus(reason.response.status, trans) ?? reason.message;
  }
  return reason instanceof TypeError || reason.name === 'NetworkError'
    ? trans.__('no answer from the server')
    : reason.message;
}

function causeByCode(failure: SaveFailure, trans: TranslationBundle): string {
  switch (failure.code) {
    case 'disk_full':
      return trans.__('the disk of the file is full');
    case 'read_only':
      return trans.__('the file is on a disk that is read-only');
    case 'no_permission':
      return trans.__('the server may not write the file');
    case 'name_too_long':
      return trans.__('the file’s name is too long for its disk');
    case 'mount_lost':
      return trans.__('the disk of the file cannot be reached');
    case 'io_error':
      return trans.__('the disk of the file reports an error');
    case 'file_gone':
      return trans.__('the file was deleted or moved');
    case 'file_changed':
      return trans.__('the file was changed outside');
    case 'not_a_notebook':
      return trans.__('the file on the disk is no notebook any more');
    case 'conflict':
      return trans.__('the file was changed outside, too');
    case 'offline':
      return trans.__('no answer from the server');
    case 'no_answer':
      return trans.__('no answer yet; the disk of the file may hang');
    case 'busy':
      return trans.__('it is changed faster than it can be merged');
    default:
      return failure.message || failure.code;
  }
}

function causeByStatus(
  status: number,
  trans: TranslationBundle
): string | null {
  switch (status) {
    case 401:
    case 403:
      return trans.__('the server refuses it; the login may have expired');
    case 413:
      return trans.__('the notebook is too large for a proxy on the way');
    case 408:
    case 502:
    case 503:
    case 504:
      return trans.__('a proxy on the way did not reach the server');
    default:
      return null;
  }
}

/** What the server itself said about it, when that is more than the cause: path, number of the error, free space. */
export function failureDetail(failure: Error): string {
  const reason = innermost(failure);
  return reason instanceof SaveFailure
    ? [reason.message, reason.hint].filter(Boolean).join('. ')
    : reason.message;
}

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

/** Why there is no server to save with. */
export function awayText(link: Link, trans: TranslationBundle): string {
  return link === 'login'
    ? trans.__('Your login has expired: log in again in another tab.')
    : trans.__('The server is out of reach. Go on working.');
}
