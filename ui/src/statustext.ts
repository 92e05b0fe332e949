/** What the indicator says: one honest sentence for the file and one for the protection. Pure. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Link } from './contracts';
import type { ISaveResult } from './opennotebook';
import type { IProblem } from './protocol';

/** An edit without an ack for longer than this is not protected, whatever the connection says. */
export const OVERDUE_MS = 10_000;

export interface IStatus {
  readonly now: number;
  readonly link: Link;
  readonly mode: 'full' | 'record';
  readonly problems: readonly IProblem[];
  readonly pending: number;
  readonly kept: number;
  readonly oldestUnackedAt: number | null;
  readonly lastAckAt: number | null;
  readonly isAhead: boolean;
  readonly lastSave: ISaveResult | null;
  readonly autosaveMs: number;
  readonly path: string;
}

export type Level = 'protected' | 'saving' | 'offline' | 'bad' | 'unknown';

export interface IStatusText {
  readonly level: Level;
  readonly protection: string;
  readonly file: string;
  readonly isFileBad: boolean;
  /** What to do about it; null when there is nothing to do. */
  readonly advice: string | null;
}

/** Problems of the server's health record that mean: edits do not reach its disk. */
const BLOCKING = new Set([
  'disk_full',
  'read_only',
  'store_unreachable',
  'store_held',
  'store_unsuitable',
  'journal_off',
  'server_part_broken',
  'feed_blocked',
  'internal'
]);

/** After a damaged journal was set aside the report stays, while edits are acked again. */
const REPORT = 'store_damaged';
const REPORT_MS = 2000;

/** No server to talk to now; it may come back. */
export function isAway(link: Link): boolean {
  return link === 'offline' || link === 'login';
}

export function clockTime(at: number, locale?: string): string {
  return new Date(at).toLocaleTimeString(locale, {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23'
  });
}

/** The problem that stops protection of this notebook, if there is one. */
export function blockingProblem(status: IStatus): IProblem | null {
  const { problems, oldestUnackedAt, now } = status;
  const isStuck = oldestUnackedAt !== null && now - oldestUnackedAt > REPORT_MS;
  return (
    problems.find(
      // A path in the server's file system is the store's; any other is a notebook's.
      ({ code, path, is_warning, is_about_file }) =>
        !is_warning &&
        !is_about_file &&
        (BLOCKING.has(code) || (code === REPORT && isStuck)) &&
        (!path || path === status.path || path.startsWith('/'))
    ) ?? null
  );
}

/** Why, in the reader's language where we know the cause. */
export function causeOf(problem: IProblem, trans: TranslationBundle): string {
  switch (problem.code) {
    case 'disk_full':
      return problem.is_about_file
        ? trans.__('the disk of the file is full')
        : trans.__('the server’s disk is full');
    case 'disk_low':
      return trans.__('the server’s disk is nearly full');
    case 'read_only':
      return problem.is_about_file
        ? trans.__('the file is on a disk that is read-only')
        : trans.__('the server cannot write to its store');
    case 'store_damaged':
      return trans.__('the server’s store is damaged');
    case 'store_unreachable':
      return trans.__('the server cannot reach its store');
    case 'store_held':
      return trans.__('another server uses its store');
    case 'store_unsuitable':
      return trans.__(
        'its store is on a file system that cannot keep it safely'
      );
    case 'server_part_broken':
      return trans.__('the server part of Indelible could not be loaded');
    case 'feed_blocked':
      return trans.__('a proxy on the way lets no WebSocket through');
    case 'journal_off':
      return trans.__('the journal is switched off');
    case 'outbox_unavailable':
      return trans.__('this browser keeps nothing (is it a private window?)');
    case 'outbox_full':
      return trans.__('this browser’s storage is full');
    default:
      return problem.message || problem.code;
  }
}

export function describeFile(
  status: IStatus,
  trans: TranslationBundle
): Pick<IStatusText, 'file' | 'isFileBad'> {
  const { lastSave, autosaveMs } = status;
  if (lastSave?.failure) {
    return {
      file: trans.__('Not saved: %1', clockTime(lastSave.at)),
      isFileBad: true
    };
  }
  if (status.mode === 'record') {
    return { file: trans.__('Autosave on'), isFileBad: false };
  }
  if (autosaveMs === 0 && lastSave?.by !== 'user') {
    return { file: trans.__('Autosave off'), isFileBad: false };
  }
  if (!lastSave) {
    return { file: trans.__('Autosave on'), isFileBad: false };
  }
  const time = clockTime(lastSave.at);
  const file =
    lastSave.by === 'user'
      ? trans.__('Saved: %1', time)
      : trans.__('Autosaved: %1', time);
  return { file, isFileBad: false };
}

type Protection = Pick<IStatusText, 'level' | 'protection' | 'advice'>;

function notProtected(
  cause: string,
  advice: string | null,
  trans: TranslationBundle
): Protection {
  return {
    level: 'bad',
    protection: trans.__('Not protected, because %1', cause),
    advice
  };
}

export function describeProtection(
  status: IStatus,
  trans: TranslationBundle
): Protection {
  const { link, pending, kept } = status;
  const isKept = kept >= pending;
  const problem = blockingProblem(status);
  const failed = status.problems.find(({ code }) => code === 'page_failed');
  switch (link) {
    case 'missing':
      if (failed) {
        return notProtected(failed.message, null, trans);
      }
      if (problem) {
        break; // The server has Indelible, but no store that works, and says why.
      }
      return notProtected(
        trans.__('the server part of Indelible is missing or broken'),
        trans.__(
          'Jupyter saves as it always did. Ask whoever runs the server to look at its log.'
        ),
        trans
      );
    case 'off':
      return notProtected(
        trans.__('the journal is switched off'),
        trans.__(
          'Only what is saved is safe. The setting is c.Indelible.journal.'
        ),
        trans
      );
    case 'unknown':
      return {
        level: 'unknown',
        protection: trans.__('Connecting…'),
        advice: null
      };
    case 'login':
    case 'offline':
      return away(status, trans);
    case 'connected':
      break;
  }
  if (problem) {
    const advice =
      pending > 0 && isKept
        ? trans._n(
            '%1 edit is kept in this browser and will follow by itself.',
            '%1 edits are kept in this browser and will follow by themselves.',
            kept
          )
        : null;
    return notProtected(
      causeOf(problem, trans),
      [problem.hint, advice].filter(Boolean).join(' ') || null,
      trans
    );
  }
  if (pending === 0) {
    return protectedNow(status, trans);
  }
  if (
    status.oldestUnackedAt !== null &&
    status.now - status.oldestUnackedAt > OVERDUE_MS
  ) {
    return notProtected(
      trans.__('the server does not confirm'),
      isKept
        ? trans._n(
            '%1 edit is kept in this browser and will follow by itself.',
            '%1 edits are kept in this browser and will follow by themselves.',
            kept
          )
        : trans.__(
            'Save the notebook, or download it, before you close this page.'
          ),
      trans
    );
  }
  return { level: 'saving', protection: trans.__('Saving…'), advice: null };
}

/** Everything is on the server's disk; a warning is told, and changes nothing in that. */
function protectedNow(
  { problems }: IStatus,
  trans: TranslationBundle
): Protection {
  const warning = problems.find(({ is_warning }) => is_warning);
  return {
    level: 'protected',
    protection: warning
      ? trans.__('Protected, but %1', causeOf(warning, trans))
      : trans.__('Protected'),
    advice: warning?.hint || null
  };
}

function away(status: IStatus, trans: TranslationBundle): Protection {
  const { link, pending, kept } = status;
  if (pending > kept) {
    return notProtected(
      link === 'login'
        ? trans.__('the login has expired and this browser keeps nothing')
        : trans.__('the server is out of reach and this browser keeps nothing'),
      trans.__('Leave this page open until the server is back.'),
      trans
    );
  }
  const advice =
    link === 'login'
      ? trans.__(
          'Log in again in another tab; the edits then follow by themselves.'
        )
      : trans.__(
          'Go on working. The edits follow by themselves when the server is back.'
        );
  if (pending === 0) {
    const protection =
      link === 'login'
        ? trans.__('Login expired, nothing waits to be sent')
        : trans.__('Offline, nothing waits to be sent');
    return { level: 'offline', protection, advice };
  }
  if (link === 'login') {
    return {
      level: 'offline',
      protection: trans._n(
        'Login expired, %1 edit kept in this browser',
        'Login expired, %1 edits kept in this browser',
        kept
      ),
      advice
    };
  }
  return {
    level: 'offline',
    protection: trans._n(
      'Offline, %1 edit kept in this browser',
      'Offline, %1 edits kept in this browser',
      kept
    ),
    advice
  };
}

export function describe(
  status: IStatus,
  trans: TranslationBundle
): IStatusText {
  return {
    ...describeProtection(status, trans),
    ...describeFile(status, trans)
  };
}
