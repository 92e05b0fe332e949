import type { ICell } from '@jupyterlab/nbformat';
import { JSONExt } from '@lumino/coreutils';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { applyMerge } from '../src/mergefile';
import type { IMergeAnswer } from '../src/protocol';
import { edit } from './edits';
import {
  brief,
  code,
  contentOf,
  notebookOf,
  open,
  settled,
  shared,
  stopTimers
} from './recording';
import {
  ReferenceServer,
  type IJsonObject,
  type Json
} from './referenceserver';

const RUNS = Number(process.env.RUNS ?? 40);

/** What becomes of a cell of the page: nothing, or it is in the file too, as it is, changed there, or changed on both sides. */
const fate = fc.constantFrom('same', 'theirs', 'merged', 'here only', 'gone');

interface IPlan {
  /** Where each cell of the page goes; ties keep their order. */
  ranks: number[];
  fates: string[];
  /** New cells of the file, by the place where they stand. */
  added: number[];
  hasOtherMeta: boolean;
}

const plan: fc.Arbitrary<IPlan> = fc.record({
  ranks: fc.array(fc.nat(4), { minLength: 8, maxLength: 8 }),
  fates: fc.array(fate, { minLength: 8, maxLength: 8 }),
  added: fc.array(fc.nat(9), { maxLength: 3 }),
  hasOtherMeta: fc.boolean()
});

type Target = IMergeAnswer['cells'][number];

/** A file that somebody else has made of what the page shows, and the merge of both, as the server would answer. */
function merging(
  page: IJsonObject,
  { ranks, fates, added, hasOtherMeta }: IPlan
): { file: IJsonObject; answer: IMergeAnswer; wanted: ICell[] } {
  const cells = page.cells as unknown as ICell[];
  const file: ICell[] = [];
  const targets: Target[] = [];
  const put = (target: Omit<Target, 'theirs'>, theirs: ICell | null): void => {
    targets.push({ ...target, theirs: theirs ? file.push(theirs) - 1 : null });
  };
  const order = cells
    .map((_, index) => index)
    .sort((a, b) => (ranks[a % 8] ?? 0) - (ranks[b % 8] ?? 0) || a - b);
  order.forEach((ours, place) => {
    for (const at of added.filter(one => one === place)) {
      const cell = code(`new in the file at ${at}`) as unknown as ICell;
      put({ ours: null, is_theirs: true, cell }, cell);
    }
    const cell = cells[ours];
    const other = { ...cell, source: `${String(cell.source)}\n# there` };
    const both = { ...cell, source: `${String(cell.source)}\n# both` };
    switch (fates[ours % 8]) {
      case 'same':
        put({ ours, is_theirs: true, cell: null }, cell);
        break;
      case 'theirs':
        put({ ours, is_theirs: true, cell: other }, other);
        break;
      case 'merged':
        put({ ours, is_theirs: false, cell: both }, other);
        break;
      case 'here only':
        put({ ours, is_theirs: false, cell: null }, null);
        break;
    }
  });
  const metadata = hasOtherMeta ? { told: 'outside' } : page.metadata;
  const rest = { nbformat: 4, nbformat_minor: 5, metadata };
  return {
    file: { ...rest, cells: file as unknown as Json[] } as IJsonObject,
    wanted: targets.map(({ cell, ours }) => cell ?? cells[ours!]),
    answer: {
      hash: '',
      trusted: false,
      cells: targets,
      theirs: file.length,
      meta: rest as IMergeAnswer['meta'],
      is_meta_ours: !hasOtherMeta,
      is_meta_theirs: true,
      conflicts: [],
      kept: 0
    }
  };
}

function cellsOf(content: IJsonObject): ICell[] {
  return content.cells as unknown as ICell[];
}

function isEqual(one: ICell, other: ICell): boolean {
  return JSONExt.deepEqual(one as never, other as never);
}

function bare(cells: readonly ICell[]): ICell[] {
  return cells.map(({ metadata: { trusted: _, ...metadata }, ...cell }) => ({
    ...cell,
    metadata
  })) as ICell[];
}

describe('a merge', () => {
  it('makes the notebook what it says, whatever moves, goes, comes and changes', () => {
    fc.assert(
      fc.property(plan, fc.integer({ min: 0, max: 8 }), (one, size) => {
        const page = notebookOf(
          Array.from({ length: size }, (_, index) => code(`cell ${index}`))
        );
        const model = shared(page);
        const { answer, file, wanted } = merging(page, one);
        const { fileCells, differing } = applyMerge(model, answer);
        const result = contentOf(model);
        expect(cellsOf(result)).toEqual(wanted);
        expect(result.metadata).toEqual(file.metadata);
        // What the recorder is told of the file is true.
        cellsOf(file).forEach((cell, index) => {
          const here = fileCells[index];
          expect(here).not.toBeNull();
          const isSame = !differing.includes(here!);
          expect(isEqual(cellsOf(result)[here!], cell)).toBe(isSame);
        });
      }),
      { numRuns: 10 * RUNS }
    );
  });

  it('leaves as many cells as possible where they are, and with them the cursor', () => {
    const page = notebookOf(['a', 'b', 'c', 'd'].map(one => code(one)));
    const model = shared(page);
    const before = [...model.cells];
    const [a, b, c, d] = cellsOf(page);
    const target = (ours: number, theirs: number): Target => ({
      ours,
      theirs,
      cell: null,
      is_theirs: true
    });
    applyMerge(model, {
      ...merging(page, { ranks: [], fates: [], added: [], hasOtherMeta: false })
        .answer,
      theirs: 4,
      cells: [target(1, 0), target(2, 1), target(3, 2), target(0, 3)]
    });
    expect(cellsOf(contentOf(model))).toEqual([b, c, d, a]);
    expect(model.cells.slice(0, 3)).toEqual(before.slice(1));
    expect(model.cells[0]).toBe(before[1]);
    expect(model.cells[2]).toBe(before[3]);
  });

  it('keeps the trust of a cell that is only moved, and gives none to what is new', () => {
    const page = notebookOf(['a', 'b'].map(one => code(one)));
    for (const cell of cellsOf(page)) {
      cell.metadata.trusted = true;
    }
    const model = shared(page);
    const [a, b] = cellsOf(page);
    const added = code('new') as unknown as ICell;
    applyMerge(model, {
      ...merging(page, { ranks: [], fates: [], added: [], hasOtherMeta: false })
        .answer,
      theirs: 3,
      cells: [
        { ours: 1, theirs: 0, cell: null, is_theirs: true },
        { ours: null, theirs: 1, cell: added, is_theirs: true },
        { ours: 0, theirs: 2, cell: null, is_theirs: true }
      ]
    });
    const result = cellsOf(JSON.parse(JSON.stringify(model.toJSON())));
    expect(bare(result)).toEqual(bare([b, added, a]));
    expect(result.map(one => one.metadata.trusted === true)).toEqual([
      true,
      false,
      true
    ]);
  });

  it('takes over the file’s format, with its cells’ ids', () => {
    const page = { ...notebookOf([code('a'), code('b')]), nbformat_minor: 4 };
    const model = shared(page);
    const file = [code('a'), code('b')] as unknown as ICell[];
    applyMerge(model, {
      ...merging(page, { ranks: [], fates: [], added: [], hasOtherMeta: false })
        .answer,
      theirs: 2,
      meta: { nbformat: 4, nbformat_minor: 5, metadata: {} },
      is_meta_ours: false,
      cells: file.map((cell, index) => ({
        ours: index,
        theirs: index,
        cell,
        is_theirs: true
      }))
    });
    expect(model.nbformat_minor).toBe(5);
    expect(cellsOf(contentOf(model))).toEqual(file);
  });

  it('puts in what was chosen where both sides changed the same', () => {
    const ours = code('here') as unknown as ICell;
    const theirs = { ...ours, source: 'there' };
    const chosen = (choice: 'ours' | 'theirs' | 'both'): string[] => {
      const page = notebookOf([ours as unknown as Json]);
      const model = shared(page);
      applyMerge(
        model,
        {
          ...merging(page, {
            ranks: [],
            fates: [],
            added: [],
            hasOtherMeta: false
          }).answer,
          theirs: 1,
          cells: [{ ours: 0, theirs: 0, cell: null, is_theirs: false }],
          conflicts: [{ at: 0, kind: 'source', base: null, ours, theirs }]
        },
        [choice]
      );
      const result = cellsOf(contentOf(model));
      expect(new Set(result.map(one => one.id)).size).toBe(result.length);
      return result.map(one => String(one.source));
    };
    expect(chosen('ours')).toEqual(['here']);
    expect(chosen('theirs')).toEqual(['there']);
    expect(chosen('both')).toEqual(['here', 'there']);
  });
});

describe('after a merge', () => {
  beforeEach(() => {
    stopTimers();
    vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  const happening = fc.constantFrom('flush', 'pass', 'pass one', 'cut', 'join');
  const steps = fc.array(fc.oneof(edit, happening), { maxLength: 8 });

  it('journal and file together are what the page shows, whatever is typed and lost meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(steps, plan, steps, async (before, one, after) => {
        const server = new ReferenceServer();
        const recording = open(
          server,
          notebookOf([code('one'), code('two'), code('three')])
        );
        const { model, recorder, line } = recording;
        const go = async (todo: typeof before): Promise<void> => {
          for (const step of todo) {
            if (typeof step !== 'string') {
              step.act(model);
            } else if (step === 'flush') {
              await vi.advanceTimersByTimeAsync(100);
            } else if (step === 'cut') {
              line.cut();
            } else if (step === 'join') {
              line.cut();
              line.join();
            } else {
              await line.pass(step === 'pass' ? Infinity : 1);
            }
          }
        };
        line.join();
        await go(before);
        await settled(recording);
        const { answer, file, wanted } = merging(contentOf(model), one);
        const hash = server.write(file);
        recorder.settle();
        recorder.rebase(hash, applyMerge(model, { ...answer, hash }));
        expect(brief(contentOf(model)).cells).toEqual(
          brief({ cells: wanted as unknown as Json[] }).cells
        );
        await go(after);
        await settled(recording);
        expect(brief(server.materialise(recorder.wc))).toEqual(
          brief(contentOf(model))
        );
        recorder.dispose();
      }),
      { numRuns: RUNS }
    );
  }, 300_000);

  it('what the file holds leaves the journal', async () => {
    const server = new ReferenceServer();
    const page = notebookOf([code('one'), code('two')]);
    const recording = open(server, page);
    recording.line.join();
    recording.model.cells[0].setSource('one, edited');
    await settled(recording);
    const now = contentOf(recording.model);
    const { answer, file } = merging(now, {
      ranks: [0, 0],
      fates: ['same', 'theirs'],
      added: [],
      hasOtherMeta: false
    });
    const hash = server.write(file);
    const result = applyMerge(recording.model, { ...answer, hash });
    recording.recorder.rebase(hash, result);
    await settled(recording);
    expect(recording.recorder.isAhead).toBe(false);
    const copy = server.copies.get(recording.recorder.wc)!;
    expect(copy.base).toBe(hash);
    expect(server.materialise(recording.recorder.wc)).toEqual(
      contentOf(recording.model)
    );
  });
});
