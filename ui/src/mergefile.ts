/** Brings what somebody else has written into the file into the open notebook, by ordinary edits. */
import type { ISharedNotebook, SharedCell } from '@jupyter/ydoc';
import type { ICell, INotebookMetadata } from '@jupyterlab/nbformat';

import type { IMergeAnswer } from './protocol';
import { changeCell } from './putcells';

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
  readonly isMetaTheirs: boolean;
}

/** Put the merge into the notebook: one step of undo; cells that do not change are not touched. */
export function applyMerge(
  notebook: ISharedNotebook,
  answer: IMergeAnswer,
  choices: readonly Choice[] = []
): IMergeResult {
  const targets = targetsOf(answer, choices);
  const isMetaTheirs = answer.is_meta_theirs || takesMeta(answer, choices);
  notebook.transact(() => {
    arrange(notebook, targets, answer.trusted);
    if (!answer.is_meta_ours) {
      const meta = takesMeta(answer, choices)
        ? metaOfFile(answer)
        : answer.meta;
      notebook.metadata = meta.metadata as INotebookMetadata;
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
  return { fileCells, differing, isMetaTheirs };
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

/** Delete what goes, then bring each place in order: cells are moved, changed or inserted. */
function arrange(
  notebook: ISharedNotebook,
  targets: readonly ITarget[],
  isTrusted: boolean
): void {
  const stays = new Set(targets.map(one => one.ours));
  // Which of the old cells stands where; moves and inserts are done here as in the notebook.
  const places = notebook.cells.map((_, index) => index);
  const cells = [...notebook.cells];
  for (let index = places.length - 1; index >= 0; index--) {
    if (!stays.has(places[index])) {
      notebook.deleteCell(index);
      places.splice(index, 1);
    }
  }
  targets.forEach((target, index) => {
    const { ours, cell } = target;
    const wanted = cell && withTrust(cell, isTrusted);
    const old = ours === null ? null : cells[ours];
    const isOtherType = old && cell && old.cell_type !== cell.cell_type;
    if (ours !== null && !isOtherType) {
      const from = places.indexOf(ours, index);
      if (from !== index) {
        notebook.moveCell(from, index);
        places.splice(from, 1);
        places.splice(index, 0, ours);
      }
      if (wanted && old) {
        if (from === index) {
          changeCell(old, wanted);
        } else {
          // A moved cell is another object.
          notebook.deleteCell(index);
          notebook.insertCell(index, wanted as SharedCell.Cell);
        }
      }
      return;
    }
    if (ours !== null) {
      const from = places.indexOf(ours, index);
      notebook.deleteCell(from);
      places.splice(from, 1);
    }
    if (wanted) {
      notebook.insertCell(index, wanted as SharedCell.Cell);
      places.splice(index, 0, -1);
    }
  });
}

function withTrust(cell: ICell, isTrusted: boolean): ICell {
  if (cell.cell_type !== 'code' || !isTrusted) {
    return cell;
  }
  return { ...cell, metadata: { ...cell.metadata, trusted: true } };
}
