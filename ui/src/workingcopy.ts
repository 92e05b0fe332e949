/** What is said to the server of a working copy besides its edits. Pure. */
import type { ICopy } from './outbox';
import type { ClientMessage, IOpen, Runs } from './protocol';

export function openingOf(copy: ICopy): IOpen {
  const { wc, epoch, path, baseKeys, seq, mode } = copy;
  const base = copy.base ?? copy.file ?? null;
  return {
    t: 'open',
    wc,
    epoch,
    path,
    base,
    cells: count(baseKeys),
    seq,
    mode
  };
}

export function savedOf(
  copy: Pick<ICopy, 'wc' | 'epoch'>,
  seq: number,
  hash: string | null,
  order: Runs
): ClientMessage {
  const { wc, epoch } = copy;
  return { t: 'saved', wc, epoch, seq, hash, order, cells: count(order) };
}

/** The keys of the base's cells, for a server that has lost its journal. */
export function rebaseOf(copy: ICopy): ClientMessage {
  return savedOf(copy, copy.savedSeq, copy.base, copy.baseKeys);
}

function count(runs: Runs): number {
  return runs.reduce((sum, run) => sum + run[1], 0);
}
