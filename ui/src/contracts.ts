/**
 * What the parts of the page may expect of each other. The recording half (protection.ts, recorder.ts,
 * outbox.ts, api.ts) implements these; the visible half (provider, autosave, status, recovery) uses them.
 */
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { ICell, INotebookContent } from '@jupyterlab/nbformat';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import type { IWrote } from './filesave';
import type { IMergeResult } from './mergefile';
import type {
  How,
  IDraft,
  IHello,
  IMergeAnswer,
  IOpening,
  IProblem,
  IDraftSummary
} from './protocol';

/** The server, as far as Indelible knows it. The only network access is in api.ts. */
export interface IApi {
  /** Rejects with ApiError: status 404 when the server part is missing, 0 when no server answers. */
  hello(): Promise<IHello>;
  open(path: string, hash: string | null): Promise<IOpening>;
  draft(wc: string): Promise<IDraft>;
  drafts(path?: string): Promise<IDraftSummary[]>;
  discard(wc: string): Promise<void>;
  /** Merge the file, which is not `file` any more, with edit `seq` of a working copy. */
  merge(request: IMergeRequest): Promise<IMergeAnswer>;
  /** The content of a kept state. */
  version(path: string, id: number): Promise<INotebookContent>;
}

export interface IMergeRequest {
  wc: string;
  epoch: number;
  seq: number;
  path: string;
  file: string | null;
}

/** How the page stands with the server. */
export type Link =
  /** No answer yet since the page was opened. */
  | 'unknown'
  /** Connected; edits are acked. */
  | 'connected'
  /** No server in reach; trying again. */
  | 'offline'
  /** The server answers, but has no (working) Indelible. */
  | 'missing'
  /** The server wants a new login. */
  | 'login'
  /** The journal is switched off by configuration. */
  | 'off';

/** A moment in a working copy: everything up to `seq`, cells in this order. */
export interface ISavePoint {
  readonly seq: number;
  readonly keys: readonly number[];
}

/** Records one working copy: one notebook open in this tab. */
export interface IRecorder extends IDisposable {
  readonly wc: string;
  readonly context: DocumentRegistry.IContext<INotebookModel>;
  /** Edits that the file does not hold (kernelspec, trust and the like do not count). */
  readonly isAhead: boolean;
  /** Last edit made, and last one that the server has on its disk. */
  readonly seq: number;
  readonly acked: number;
  /** Edits not yet on the server's disk; those of them that are in this browser's outbox. */
  readonly pending: number;
  readonly kept: number;
  /** ms since the epoch; null when nothing is unacked. */
  readonly oldestUnackedAt: number | null;
  readonly lastAckAt: number | null;
  /** The server has seen that the file holds something else now; its SHA-256. */
  readonly fileSeen: ISignal<IRecorder, string>;
  /** Emitted (at most every 100 ms) when any of the above changed. */
  readonly changed: ISignal<IRecorder, void>;
  /** Put everything dirty into an edit now; call it in the task in which the content is serialised. */
  mark(): ISavePoint;
  /** The file holds everything up to `point`; its SHA-256 is `hash` (null when not known). */
  saved(point: ISavePoint, hash: string | null): void;
  /** Whether `save` may be called now. */
  readonly canSave: boolean;
  /**
   * Have the server write the file, with everything up to now. `file`: SHA-256 of what it is taken to hold. Rejects
   * with SaveFailure; `saved` is to be called after it resolves. `by`: who wants it, for the server's records.
   */
  save(
    file: string | null,
    creates?: boolean,
    by?: 'user' | 'autosave'
  ): Promise<IWrote>;
  /** Put everything into an edit now, so that the journal will hold what the page shows; the number of the last. */
  settle(): number;
  /** Cells (by index) that were edited after `seq`; null when their order or the notebook's metadata were. */
  cellsSince(seq: number): number[] | null;
  readonly epoch: number;
  /** The file's content (SHA-256) was brought in by ordinary edits: it is the base now. */
  rebase(hash: string, merged: IMergeResult): void;
  /** The content is about to be replaced by the file's (revert, reload): a new base, not an edit. */
  reloading(base: string | null, cells: number, read?: readonly ICell[]): void;
}

export interface IAttachOptions {
  context: DocumentRegistry.IContext<INotebookModel>;
  /** `record` under real-time collaboration. */
  mode: 'full' | 'record';
  /** SHA-256 of the file that was loaded, null when not known (then the first edit carries everything). */
  base: string | null;
  /** Number of cells in that content (the page may add an empty one). */
  cells: number;
  /** The cells of the content that was loaded, for what the page makes otherwise of them. */
  read?: readonly ICell[];
  /** The draft that was loaded instead of the file, already adopted by this tab. */
  draft?: IDraft;
}

/** Protection of everything open in this tab. One a page. */
export interface IProtection extends IDisposable {
  readonly api: IApi;
  readonly link: Link;
  readonly hello: IHello | null;
  /** The server's health record, and this browser's own problems (for example no IndexedDB). */
  readonly problems: readonly IProblem[];
  readonly recorders: readonly IRecorder[];
  /** Link, problems, or the list of recorders changed. */
  readonly changed: ISignal<IProtection, void>;
  /** Call when the context is ready and its content is loaded, in the same task. */
  attach(options: IAttachOptions): IRecorder;
  /** Send what working copies without a living tab have left in this browser. Resolves after `timeoutMs` at the latest. */
  flushOrphans(timeoutMs: number): Promise<void>;
  /** The context went away; how it went is told to the server. */
  detach(recorder: IRecorder, how: How): void;
  /** Try the server again now. */
  retry(): void;
}
