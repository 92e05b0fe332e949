/** Brings what somebody else has written into the file into the open notebook, by ordinary edits. */
import type { ISharedNotebook, SharedCell } from '@jupyter/ydoc';
import type { ICell, INotebookMetadata } from '@jupyterlab/nbformat';

import type { IMergeAnswer } from './protocol';
import { changeCell, losesTrust } from './putcells';

/** For each conflict: whose cell is to stand. */
export type Choice = 'ours' | 'theirs' | 'both';

/** A cell of the merged notebook: one that is here already, changed or not, or a new one. */
interface ITarget {
  /** Index here, before anything is changed. */
  ours: number | null;
  /** Its index in the file. */
  theirs: number | null;
  /** What it becomes; null: it stays as it is. */
  cell: ICell | null;
  /** Whether it then is as the file has it. */
  isTheirs: boolean;
}

/** What the recorder must know of the result. */
export interface IMergeResult {
  /** For each cell of the file its index here, null when it is not here. */
  readonly fileCells: (number | null)[];
  /** Cells that are not as the file has them. */
  readonly differing: number[];
  /** By index here: the file's cell, where it was put in; JupyterLab may have made something more of it. */
  readonly read: (ICell | null)[];
  readonly isMetaTheirs: boolean;
}

/** Put the merge into the notebook: one step of undo; cells that do not change are not touched. */
export function applyMerge(
  notebook: ISharedNotebook,
  answer: IMergeAnswer,
  choices: readonly Choice[] = []
): IMergeResult {
  const targets = targetsOf(answer, choices);
  const hasMetaChoice = takesMeta(answer, choices);
  notebook.transact(() => {
    arrange(notebook, targets, answer.trusted);
    if (!answer.is_meta_ours || hasMetaChoice) {
      const meta = hasMetaChoice ? metaOfFile(answer) : answer.meta;
      notebook.metadata = meta.metadata as INotebookMetadata;
      setFormat(notebook, meta);
    }
  });
  const fileCells: (number | null)[] = Array.from(
    { length: answer.theirs },
    () => null
  );
  targets.forEach(({ theirs }, index) => {
    if (theirs !== null) {
      fileCells[theirs] = index;
    }
  });
  const differing = targets.flatMap((one, index) =>
    one.isTheirs ? [] : [index]
  );
  const read = targets.map(one => (one.isTheirs ? one.cell : null));
  // A choice does not tell the file's format.
  const isMetaTheirs = answer.is_meta_theirs && !hasMetaChoice;
  return { fileCells, differing, read, isMetaTheirs };
}

/** Of the two formats the later one; the interface does not tell that it can be set. */
function setFormat(
  notebook: ISharedNotebook,
  { nbformat, nbformat_minor: minor }: IMergeAnswer['meta']
): void {
  const shared = notebook as { nbformat: number; nbformat_minor: number };
  shared.nbformat = nbformat;
  shared.nbformat_minor = minor;
}

function takesMeta(answer: IMergeAnswer, choices: readonly Choice[]): boolean {
  return answer.conflicts.some(
    (one, index) => one.at < 0 && choices[index] === 'theirs'
  );
}

function metaOfFile(answer: IMergeAnswer): IMergeAnswer['meta'] {
  const found = answer.conflicts.find(one => one.at < 0);
  const metadata = (found?.theirs as { metadata?: object } | null)?.metadata;
  return metadata ? { ...answer.meta, metadata } : answer.meta;
}

function targetsOf(
  answer: IMergeAnswer,
  choices: readonly Choice[]
): ITarget[] {
  const chosen = new Map(
    answer.conflicts.map((one, index) => [
      one.at,
      { conflict: one, choice: choices[index] ?? 'ours' }
    ])
  );
  return answer.cells.flatMap((one, at): ITarget[] => {
    const { ours, theirs, cell, is_theirs: isTheirs } = one;
    const target: ITarget = { ours, theirs, cell, isTheirs };
    const found = chosen.get(at);
    if (!found || found.choice === 'ours') {
      return found && found.conflict.ours === null ? [] : [target];
    }
    const fromFile = found.conflict.theirs;
    if (fromFile === null) {
      return found.choice === 'both' ? [target] : [];
    }
    const isOnlyTheirs = found.conflict.ours === null;
    if (found.choice === 'theirs' || isOnlyTheirs) {
      return [{ ours, theirs, cell: fromFile, isTheirs: theirs !== null }];
    }
    const copy = { ...fromFile, ...(fromFile.id ? { id: newCellId() } : {}) };
    return [
      target,
      { ours: null, theirs: null, cell: copy as ICell, isTheirs: false }
    ];
  });
}

function newCellId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(4)), byte =>
    byte.toString(16).padStart(2, '0')
  ).join('');
}

/**
 * The longest row of cells that are in the same order here and in the result: they stay as they are, and with them
 * the cursor; the others are moved past them.
 */
function staying(
  cells: readonly ICell[],
  targets: readonly Pick<ITarget, 'ours' | 'cell'>[]
): Set<number> {
  const rows: { last: number; before: number }[] = [];
  // For each length of a row, the candidate that ends with the lowest index.
  const ends: number[] = [];
  for (const { ours, cell } of targets) {
    if (ours === null || (cell && isAnother(cells[ours], cell))) {
      continue;
    }
    let length = ends.length;
    while (length > 0 && rows[ends[length - 1]].last > ours) {
      length--;
    }
    rows.push({ last: ours, before: length > 0 ? ends[length - 1] : -1 });
    ends[length] = rows.length - 1;
  }
  const found = new Set<number>();
  for (let at = ends[ends.length - 1] ?? -1; at >= 0; at = rows[at].before) {
    found.add(rows[at].last);
  }
  return found;
}

/** Whether a cell can only be replaced: its type and its id never change, nor is trust taken from it. */
function isAnother(here: ICell, wanted: ICell): boolean {
  return (
    here.cell_type !== wanted.cell_type ||
    (typeof wanted.id === 'string' && wanted.id !== here.id) ||
    losesTrust(here, wanted)
  );
}

/** Take away what goes or moves, change what stays, insert the rest. */
function arrange(
  notebook: ISharedNotebook,
  targets: readonly ITarget[],
  isTrusted: boolean
): void {
  // The list of cells is brought up to date only after the transaction, so nothing is looked up in it meanwhile.
  const cells = [...notebook.cells];
  const before = cells.map(cell => cell.toJSON() as ICell);
  const wanted = targets.map(({ ours, cell }) =>
    cell
      ? withTrust(cell, isTrusted, ours === null ? null : before[ours])
      : null
  );
  const stays = staying(
    before,
    targets.map(({ ours }, index) => ({ ours, cell: wanted[index] }))
  );
  for (let index = cells.length - 1; index >= 0; index--) {
    if (!stays.has(index)) {
      notebook.deleteCell(index);
    }
  }
  targets.forEach(({ ours }, index) => {
    const cell = wanted[index];
    if (ours !== null && stays.has(ours)) {
      if (cell) {
        changeCell(cells[ours], cell);
      }
      return;
    }
    const inserted = cell ?? (ours === null ? null : before[ours]);
    if (inserted) {
      notebook.insertCell(index, inserted as SharedCell.Cell);
    }
  });
}

/** Outputs are trusted when the file's are, or when they are here already and trusted. */
function withTrust(cell: ICell, isTrusted: boolean, here: ICell | null): ICell {
  const mayStay = here?.metadata.trusted === true && !losesTrust(here, cell);
  return cell.cell_type === 'code' && (isTrusted || mayStay)
    ? { ...cell, metadata: { ...cell.metadata, trusted: true } }
    : cell;
}
