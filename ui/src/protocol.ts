/**
 * The feed's messages, as in docs/reference/protocol.md. Types only.
 */
import type { ICell } from '@jupyterlab/nbformat';
import type { Contents } from '@jupyterlab/services';
import type { JSONObject, JSONValue } from '@lumino/coreutils';

/** A list of cell keys, run-length encoded as [first key, count]. */
export type Runs = [number, number][];

/** [position, deleted, inserted], in UTF-16 code units. */
export type Splice = [number, number, string];

/** [sha256 hex, length in UTF-16 code units]. */
export type ChunkRef = [string, number];

export type Path = (string | number)[];

export type WholeText =
  string | { text: string; rev: number } | { chunks: ChunkRef[]; rev?: number };

export interface ITextChange {
  splices: Splice[];
  /** The revision it applies to, or "base:<sha256 hex>". */
  of: number | string;
  len: number;
  rev: number;
}

export type Text = WholeText | ITextChange;

/** JSON with its long strings lifted out. */
export interface IValue {
  json: JSONValue;
  long?: [Path, WholeText][];
}

export interface IValuePatch {
  patch: [Path, ITextChange][];
}

export interface IHead {
  cell_type: string;
  id: string | null;
  execution_count: number | null;
  trusted: boolean;
}

export interface ICellChange {
  key: number;
  head?: IHead;
  source?: Text;
  metadata?: IValue;
  attachments?: IValue | null;
  outputs?: { len: number; set: [number, IValue | IValuePatch][] };
}

export interface IEdit {
  t: 'edit';
  wc: string;
  epoch: number;
  seq: number;
  at: number;
  reset?: boolean;
  order?: Runs;
  meta?: IValue;
  cells?: ICellChange[];
}

export interface IOpen {
  t: 'open';
  wc: string;
  epoch: number;
  path: string;
  base: string | null;
  cells: number;
  seq: number;
  mode: 'full' | 'record';
}

export interface ISaved {
  t: 'saved';
  wc: string;
  epoch: number;
  seq: number;
  hash: string | null;
  order: Runs;
  cells: number;
}

export interface ISave {
  t: 'save';
  wc: string;
  epoch: number;
  seq: number;
  id: number;
  path: string;
  /** SHA-256 of what the page takes the file to hold. */
  file: string | null;
  /** Tells whether page and journal hold the same cells. */
  digest: string;
  trusted: boolean;
  /** Write the file also when it is gone. */
  creates?: boolean;
  by?: 'user' | 'autosave';
}

export type How = 'clean' | 'discard' | 'away';

export type ClientMessage =
  | { t: 'hello'; protocol: 1; tab: string }
  | IOpen
  | { t: 'have'; id: number; hashes: string[] }
  | IEdit
  | ISave
  | ISaved
  | { t: 'renamed'; wc: string; epoch: number; path: string }
  | { t: 'closed'; wc: string; epoch: number; how: How }
  | { t: 'ping'; n: number };

export interface IProblem {
  code: string;
  message: string;
  hint: string;
  since: string;
  path: string | null;
  /** Nothing has failed yet. */
  is_warning?: boolean;
  /** A file cannot be saved, while its edits are safe in the journal. */
  is_about_file?: boolean;
}

export interface INack {
  t: 'nack';
  wc: string;
  seq: number;
  error: string;
  message: string;
  hashes?: string[];
  key?: number;
}

export type ServerMessage =
  | {
      t: 'welcome';
      server: string;
      store: string;
      root: string;
      journal: boolean;
      problems: IProblem[];
    }
  | { t: 'opened'; wc: string; acked: number; saved: number; known: boolean }
  | { t: 'want'; id: number; hashes: string[] }
  | { t: 'stored'; hash: string }
  | { t: 'refused'; hash: string; error: string; message: string }
  | {
      t: 'ack';
      wc: string;
      seq: number;
      saved?: boolean;
      renamed?: boolean;
      closed?: boolean;
    }
  | INack
  | {
      t: 'wrote';
      wc: string;
      id: number;
      seq: number;
      hash: string;
      size: number;
      changed: boolean;
      shrunk: { version: number; note: string } | null;
      model: Contents.IModel;
    }
  | {
      t: 'unsaved';
      wc: string;
      id: number;
      error: string;
      message: string;
      hint: string;
      found?: string;
    }
  | { t: 'pong'; n: number }
  | { t: 'resync'; wc: string; why: string }
  | { t: 'file'; wc: string; hash: string }
  | { t: 'problems'; problems: IProblem[] };

/** The answer of GET indelible/api/hello. */
export interface IHello {
  protocol: number;
  version: string;
  server: string;
  store: string;
  root: string;
  journal: boolean;
  autosave_interval_ms: number;
  save_on_blur: boolean;
  save_after_run: boolean;
  /** Why notebooks are saved through Jupyter's own API; null when the server writes them from its journal. */
  full_save_because: string | null;
  problems: IProblem[];
}

/** The answer of POST indelible/api/merge. */
export interface IMergeAnswer {
  /** SHA-256 of the file that was merged. */
  hash: string;
  /** Whether its outputs may be trusted. */
  trusted: boolean;
  /** The merged cells; `cell` is null where it is as `ours` (an index here). */
  cells: {
    ours: number | null;
    theirs: number | null;
    is_theirs: boolean;
    cell: ICell | null;
  }[];
  /** Number of cells in the file. */
  theirs: number;
  meta: { nbformat: number; nbformat_minor: number; metadata: object };
  is_meta_ours: boolean;
  is_meta_theirs: boolean;
  conflicts: IMergeConflict[];
  /** Version that holds the file's content. */
  kept: number;
}

/** Both sides changed the same thing. `at`: index of the merged cell, -1 for the notebook's metadata. */
export interface IMergeConflict {
  at: number;
  kind: string;
  base: ICell | null;
  ours: ICell | null;
  theirs: ICell | null;
}

export interface IDraftSummary {
  wc: string;
  path: string;
  edited_at: string;
  state: 'live' | 'away' | 'discarded';
  base: string | null;
  base_is_current: boolean;
  cells_changed: number;
  bytes: number;
}

export interface IDraft extends IDraftSummary {
  epoch: number;
  seq: number;
  keys: number[];
  content: JSONObject;
}

export interface IOpening {
  draft: IDraft | null;
  others: IDraftSummary[];
}
