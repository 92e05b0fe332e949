/** Give an open notebook other cells by ordinary edits, so that the user can undo it. */
import type {
  ISharedCodeCell,
  ISharedNotebook,
  SharedCell
} from '@jupyter/ydoc';
import type {
  IAttachments,
  IBaseCellMetadata,
  ICell
} from '@jupyterlab/nbformat';
import {
  JSONExt,
  type JSONValue,
  type PartialJSONObject
} from '@lumino/coreutils';

import { joined, outputsOf, pairCells } from './diff';

/** Afterwards the notebook has the cells `wanted`. Equal cells are not touched. One step of undo. */
export function putCells(
  notebook: ISharedNotebook,
  wanted: readonly ICell[]
): void {
  const pairs = pairCells(notebook.toJSON().cells as ICell[], wanted);
  // The list of cells is brought up to date only after the transaction.
  const cells = [...notebook.cells];
  notebook.transact(() => {
    let at = 0;
    for (const { kind, before, beforeIndex, after } of pairs) {
      if (after === null) {
        notebook.deleteCell(at);
        continue;
      }
      if (kind === 'added') {
        notebook.insertCell(at, after as SharedCell.Cell);
      } else if (
        kind === 'changed' &&
        before &&
        (before.cell_type !== after.cell_type || losesTrust(before, after))
      ) {
        notebook.deleteCell(at);
        notebook.insertCell(at, after as SharedCell.Cell);
      } else if (kind === 'changed' && beforeIndex !== null) {
        changeCell(cells[beforeIndex], after);
      }
      at++;
    }
  });
}

/** The common beginning and end stay, and with them the cursor. */
function changeText(
  cell: ISharedNotebook['cells'][number],
  wanted: string
): void {
  const text = cell.getSource();
  if (text === wanted) {
    return;
  }
  const most = Math.min(text.length, wanted.length);
  let start = 0;
  while (start < most && text[start] === wanted[start]) {
    start++;
  }
  let tail = 0;
  while (
    tail < most - start &&
    text[text.length - 1 - tail] === wanted[wanted.length - 1 - tail]
  ) {
    tail++;
  }
  // Between the halves of a character nothing may be cut.
  if (isLow(text[start]) || isLow(wanted[start])) {
    start--;
  }
  if (isLow(text[text.length - tail])) {
    tail--;
  }
  cell.updateSource(
    start,
    text.length - tail,
    wanted.slice(start, wanted.length - tail)
  );
}

function isLow(unit: string | undefined): boolean {
  return unit !== undefined && unit >= '\udc00' && unit <= '\udfff';
}

function differ(a: unknown, b: unknown): boolean {
  return !JSONExt.deepEqual((a ?? null) as JSONValue, (b ?? null) as JSONValue);
}

/**
 * Whether a cell that is trusted would get outputs that are not. It can only be replaced: JupyterLab never takes trust
 * away from a cell that it shows.
 */
export function losesTrust(here: ICell, wanted: ICell): boolean {
  return (
    wanted.cell_type === 'code' &&
    here.metadata.trusted === true &&
    wanted.metadata.trusted !== true &&
    outputsOf(wanted).length > 0 &&
    differ(outputsOf(here), outputsOf(wanted))
  );
}

/** Trust is not metadata: it stays, unless it is given. What JupyterLab derives of other metadata, it derives again. */
function changeMetadata(
  cell: ISharedNotebook['cells'][number],
  wanted: PartialJSONObject
): void {
  const here = cell.getMetadata() as PartialJSONObject;
  const isTrusted = here.trusted === true || wanted.trusted === true;
  const next = isTrusted ? { ...wanted, trusted: true } : wanted;
  if (!differ(here, next)) {
    return;
  }
  for (const name of Object.keys(here)) {
    if (!(name in next) && name !== 'trusted') {
      cell.deleteMetadata(name);
    }
  }
  cell.setMetadata(next as Partial<IBaseCellMetadata>);
}

/** Make a cell of the same type what is wanted; what is equal is not touched, nor is the text around a change. */
export function changeCell(
  cell: ISharedNotebook['cells'][number],
  wanted: ICell
): void {
  changeText(cell, joined(wanted.source));
  changeMetadata(cell, wanted.metadata as PartialJSONObject);
  if (cell.cell_type === 'code') {
    const code = cell as ISharedCodeCell;
    const outputs = outputsOf(wanted);
    if (differ(code.getOutputs(), outputs)) {
      code.setOutputs(outputs);
    }
    code.execution_count = (wanted.execution_count as number | null) ?? null;
  } else if ('setAttachments' in cell) {
    const attachments = wanted.attachments as IAttachments | undefined;
    if (differ(cell.getAttachments(), attachments)) {
      cell.setAttachments(attachments);
    }
  }
}
