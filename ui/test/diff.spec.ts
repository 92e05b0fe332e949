import type { ICell } from '@jupyterlab/nbformat';
import fc from 'fast-check';
import { YNotebook } from '@jupyter/ydoc';
import { describe, expect, it } from 'vitest';

import { common, diffLines, isSameNotebook, pairCells } from '../src/diff';
import { putCells } from '../src/putcells';
import { notebook } from './fakes';

const cells = (sources: string[]) =>
  notebook(sources).cells as unknown as ICell[];

describe('cells', () => {
  it('are paired by id', () => {
    const before = cells(['a', 'b', 'c']);
    const after = [
      before[0],
      { ...before[2], source: 'c!' },
      { ...before[1], id: 'new', source: 'd' }
    ];
    expect(pairCells(before, after).map(pair => pair.kind)).toEqual([
      'same',
      'removed',
      'changed',
      'added'
    ]);
  });
  it('are paired by content where there are no ids', () => {
    const bare = (sources: string[]) =>
      cells(sources).map(({ id: _, ...rest }) => rest as ICell);
    const pairs = pairCells(bare(['a', 'b', 'c']), bare(['a', 'b!', 'c', 'd']));
    expect(pairs.map(pair => pair.kind)).toEqual([
      'same',
      'changed',
      'same',
      'added'
    ]);
  });
  it('are the same whatever the trust, the id, and the way texts are written', () => {
    const [a] = cells(['x\ny']);
    const b = {
      ...a,
      id: 'other',
      source: ['x\n', 'y'],
      metadata: { trusted: true }
    };
    expect(
      isSameNotebook({ cells: [a], metadata: {} }, { cells: [b], metadata: {} })
    ).toBe(true);
    expect(isSameNotebook({ cells: [a], metadata: {} }, null)).toBe(false);
  });
});

describe('lines', () => {
  it('are shown with what stands around them', () => {
    const old = Array.from({ length: 20 }, (_, i) => `line ${i}`);
    const now = old.map((line, i) => (i === 10 ? 'changed' : line));
    const lines = diffLines(old.join('\n'), now.join('\n'), 1);
    expect(lines.map(line => `${line.kind} ${line.text}`)).toEqual([
      'gap ',
      'same line 9',
      'removed line 10',
      'added changed',
      'same line 11',
      'gap '
    ]);
  });
  it('rebuild both sides', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', ''), {
      minLength: 1,
      maxLength: 12
    });
    fc.assert(
      fc.property(text, text, (a, b) => {
        fc.pre(a.join('\n') !== b.join('\n'));
        const lines = diffLines(a.join('\n'), b.join('\n'), Infinity);
        const side = (kind: string) =>
          lines
            .filter(l => l.kind === 'same' || l.kind === kind)
            .map(l => l.text);
        expect(side('removed')).toEqual(a);
        expect(side('added')).toEqual(b);
      })
    );
  });
  it('stop comparing where it would take too long', () => {
    expect(common([1, 2, 3, 9], [3, 2, 1, 9], Object.is, 4)).toEqual([[3, 3]]);
  });
});

it('putCells makes a notebook equal to any other, in one step that can be undone', () => {
  const cell = fc.record({
    cell_type: fc.constantFrom('code', 'markdown'),
    id: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    source: fc.string({ maxLength: 6 })
  });
  const list = fc
    .uniqueArray(cell, { selector: one => one.id, maxLength: 5 })
    .map(some =>
      some.map(one => ({
        ...one,
        metadata: {},
        ...(one.cell_type === 'code'
          ? { outputs: [], execution_count: null }
          : {})
      }))
    );
  fc.assert(
    fc.property(list, list, (from, to) => {
      const shared = YNotebook.create() as YNotebook;
      shared.fromJSON({
        nbformat: 4,
        nbformat_minor: 5,
        metadata: {},
        cells: from
      } as never);
      shared.clearUndoHistory();
      const before = shared.toJSON().cells;
      putCells(shared, to as unknown as ICell[]);
      expect(
        shared.toJSON().cells.map(one => [one.cell_type, one.id, one.source])
      ).toEqual(to.map(one => [one.cell_type, one.id, one.source]));
      if (shared.canUndo()) {
        shared.undo();
        expect(shared.toJSON().cells).toEqual(before);
      }
      shared.dispose();
    })
  );
});
