import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { newId } from '../src/hash';
import { replay } from '../src/orphans';
import type { ICopy, IOutboxWrite, OutboxProblem } from '../src/outbox';
import { Outbox } from '../src/outbox';
import { openingOf, rebaseOf } from '../src/workingcopy';
import { edit } from './edits';
import {
  brief,
  code,
  contentOf,
  idle,
  notebookOf,
  open,
  stopTimers
} from './recording';
import type { IJsonObject } from './referenceserver';
import { ReferenceServer } from './referenceserver';

const RUNS = Number(process.env.RUNS ?? 20);

beforeEach(() => {
  stopTimers();
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const CONTENT = notebookOf([
  code('a = 1'),
  code('a line of the file\n'.repeat(2_000), [
    { output_type: 'stream', name: 'stdout', text: 'one\n' }
  ]),
  { cell_type: 'markdown', id: 'md', source: '# 😀', metadata: {} }
]);

/** Bring what is in the outbox to a server, as the next page does. */
async function bring(outbox: Outbox, server: ReferenceServer): Promise<void> {
  for (const copy of await outbox.copies()) {
    const opened = server.take(openingOf(copy));
    if (opened.t !== 'opened') {
      throw new Error(opened.t);
    }
    let { acked } = opened;
    if (!opened.known) {
      acked = copy.base === null ? 0 : copy.savedSeq;
      if (copy.base !== null) {
        expect(server.take(rebaseOf(copy))).toMatchObject({ t: 'ack' });
      }
    }
    const left = await replay(outbox, copy, acked, opened.saved);
    if (left) {
      left.chunks.forEach(one => server.store(one.hash, one.bytes));
      expect(server.take(left.edit)).toMatchObject({ t: 'ack' });
    }
  }
}

const happening = fc.constantFrom(
  'flush',
  'flush',
  'pass',
  'pass one',
  'reach',
  'mark',
  'saved',
  'saved',
  'cut',
  'stale_part',
  'blob_unknown',
  'disk_full'
);

describe('after a crash at any moment', () => {
  it.each([
    ['a server that has what was acked', true, true],
    ['a server that has nothing, but the file', true, false],
    ['a server that has not even the file', false, false]
  ])(
    '%s gets all that was written',
    async (_, isHashKnown, isSame) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.oneof(edit, happening), { maxLength: 20, size: 'max' }),
          async steps => {
            const server = new ReferenceServer();
            const outbox = new Outbox(newId());
            let last: IJsonObject | null = null;
            const recording = open(server, CONTENT, { isHashKnown, outbox });
            const { model, recorder, line } = recording;
            const write = outbox.write.bind(outbox);
            outbox.write = (one: IOutboxWrite) => {
              last = contentOf(model);
              return write(one);
            };
            const saves: [ReturnType<typeof recorder.mark>, string][] = [];
            for (const step of steps) {
              if (typeof step !== 'string') {
                step.act(model);
              } else if (step === 'flush') {
                await vi.advanceTimersByTimeAsync(100);
              } else if (step === 'reach') {
                await line.reach();
              } else if (step === 'cut') {
                line.cut();
                line.join();
              } else if (step === 'mark') {
                saves.push([recorder.mark(), server.write(contentOf(model))]);
              } else if (step === 'saved') {
                const save = saves.shift();
                if (save) {
                  recorder.saved(...save);
                }
              } else if (step.startsWith('pass')) {
                await line.pass(step === 'pass' ? Infinity : 1);
              } else {
                line.faults.push(step);
              }
            }
            recorder.dispose();
            await idle();
            const next = isSame ? server : new ReferenceServer();
            server.files.forEach((file, hash) => next.files.set(hash, file));
            const copies = await outbox.copies();
            await bring(outbox, next);
            if (copies.length > 0) {
              expect(copies.map(one => one.wc)).toEqual([recorder.wc]);
              const stored = next.materialise(recorder.wc);
              expect(brief(stored)).toEqual(brief(last!));
            } else if (last) {
              // All of it was saved.
              expect([...server.files.values()].map(brief)).toContainEqual(
                brief(last)
              );
            }
            await outbox.close();
          }
        ),
        { numRuns: RUNS }
      );
    },
    300_000
  );
});

describe('what was acked to the page', () => {
  /** Three edits of three cells, the first two of them acked. */
  async function typed() {
    const outbox = new Outbox(newId());
    const recording = open(
      new ReferenceServer(),
      notebookOf([code('a'), code('b'), code('c')]),
      { outbox }
    );
    const { line, model } = recording;
    await line.pass();
    for (const cell of [0, 1, 2]) {
      model.cells[cell].setSource(`typed ${cell}`);
      await vi.advanceTimersByTimeAsync(100);
      if (cell < 2) {
        await line.pass();
      }
    }
    await line.reach();
    await idle();
    return { ...recording, outbox };
  }

  it('is noted with the next edit, by no write of its own while somebody types', async () => {
    const sent = vi.spyOn(Outbox.prototype, 'sent');
    const { line, outbox, model } = await typed();
    const [copy] = await outbox.copies();
    expect(copy).toMatchObject({ seq: 3, sentSeq: 2 });
    for (let i = 0; i < 50; i++) {
      model.cells[0].setSource(`more ${i}`);
      await vi.advanceTimersByTimeAsync(100);
      await line.pass();
    }
    await idle();
    expect(sent).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1_000);
    await idle();
    expect(sent).toHaveBeenCalledTimes(1);
    const [later] = await outbox.copies();
    expect(later.sentSeq).toBe(later.seq);
  });

  it('is not sent again', async () => {
    const { outbox } = await typed();
    const [copy] = await outbox.copies();
    const left = await replay(outbox, copy, 2);
    expect(left?.edit.cells?.map(one => one.key)).toEqual([2]);
    expect(left?.edit.seq).toBe(3);
    expect(await replay(outbox, { ...copy, sentSeq: 3 }, 3)).toBeNull();
  });

  it('is all that is not sent again, whatever else the server has acked', async () => {
    const { outbox } = await typed();
    const [copy] = await outbox.copies();
    const one = await replay(outbox, { ...copy, sentSeq: 1 }, 3);
    expect(one?.edit.cells?.map(({ key }) => key)).toEqual([1, 2]);
    expect(one?.edit.seq).toBeGreaterThan(3);
    const all = await replay(outbox, { ...copy, sentSeq: undefined }, 3);
    expect(all?.edit.cells?.map(({ key }) => key)).toEqual([0, 1, 2]);
    const saved = await replay(outbox, { ...copy, sentSeq: 0 }, 3, 2);
    expect(saved?.edit.cells?.map(({ key }) => key)).toEqual([2]);
  });
});

describe('what a killed browser has kept', () => {
  it('never replaces what it had sent after that', async () => {
    const outbox = new Outbox(newId());
    const server = new ReferenceServer();
    const { line, model, recorder } = open(server, notebookOf([code('a')]), {
      outbox
    });
    await line.pass();
    const type = async (text: string) => {
      model.cells[0].setSource(text);
      await vi.advanceTimersByTimeAsync(100);
      await line.reach();
      await idle();
    };
    await type('one');
    const write = vi.spyOn(Outbox.prototype, 'write').mockResolvedValue(false);
    await type('one two');
    await type('one two three');
    write.mockRestore();
    const { wc } = recorder;
    const [copy] = await outbox.copies();
    expect(copy.seq).toBe(1);
    expect(await replay(outbox, copy, 3)).toBeNull();
    const [cell] = server.materialise(wc).cells as { source: string }[];
    expect(cell.source).toBe('one two three');
  });
});

describe('an outbox that could not write for a while', () => {
  it('is given what it lacks when it can', async () => {
    const outbox = new Outbox(newId());
    const recording = open(new ReferenceServer(), CONTENT, { outbox });
    const { model, recorder } = recording;
    const put = vi
      .spyOn(IDBObjectStore.prototype, 'put')
      .mockImplementation(() => {
        throw new DOMException('full', 'QuotaExceededError');
      });
    const type = async (text: string) => {
      model.cells[0].updateSource(0, 0, text);
      model.insertCell(0, { cell_type: 'code', source: text });
      await vi.advanceTimersByTimeAsync(100);
      await idle();
    };
    await type('lost? '.repeat(9_000));
    expect(recorder.kept).toBe(0);
    put.mockRestore();
    await type('kept');
    await idle();
    expect(recorder.kept).toBe(recorder.pending);
    recorder.dispose();
    const next = new ReferenceServer();
    next.write(CONTENT);
    await bring(outbox, next);
    const stored = next.materialise(recorder.wc);
    expect(brief(stored)).toEqual(brief(contentOf(model)));
  });
});

describe('the outbox', () => {
  const wc = 'a'.repeat(32);

  function copyOf(values: Partial<ICopy> = {}): ICopy {
    return {
      wc,
      epoch: 1,
      path: 'a.ipynb',
      base: null,
      baseKeys: [],
      savedSeq: 0,
      seq: 2,
      mode: 'full',
      tab: 't',
      how: null,
      at: 0,
      ...values
    };
  }

  function writeOf(values: Partial<IOutboxWrite> = {}): IOutboxWrite {
    const value = { form: { chunks: [['h', 1]] } };
    const part = (key: number, part: number, seq: number) => ({
      ...{ key, part, seq, value }
    });
    return {
      copy: copyOf(),
      parts: [part(0, 0, 1), part(0, 1, 2), part(1, 1, 1)],
      chunks: [{ hash: 'h', bytes: new Uint8Array([1]) }],
      keys: null,
      isReset: false,
      ...values
    };
  }

  async function parts(outbox: Outbox): Promise<string[]> {
    return (await outbox.parts(wc)).map(one => `${one.key} ${one.part}`);
  }

  it('keeps parts, each in its last state, and the chunks', async () => {
    const outbox = new Outbox(newId());
    expect(await outbox.write(writeOf())).toBe(true);
    expect(await parts(outbox)).toEqual(['0 0', '0 1', '1 1']);
    expect([...(await outbox.chunk('h'))!]).toEqual([1]);
  });

  it('drops cells that are gone', async () => {
    const outbox = new Outbox(newId());
    await outbox.write(writeOf());
    await outbox.write(writeOf({ parts: [], keys: [1] }));
    expect(await parts(outbox)).toEqual(['1 1']);
  });

  it('drops everything before a reset', async () => {
    const outbox = new Outbox(newId());
    await outbox.write(writeOf());
    await outbox.write(writeOf({ parts: [], isReset: true }));
    expect(await parts(outbox)).toEqual([]);
  });

  it('drops what was saved, and keeps what is newer', async () => {
    const outbox = new Outbox(newId());
    await outbox.write(writeOf());
    await outbox.saved(copyOf({ savedSeq: 1 }), 1, 2);
    expect(await parts(outbox)).toEqual(['0 1']);
    await outbox.saved(copyOf({ savedSeq: 2 }), 2, 2);
    expect(await outbox.copies()).toEqual([]);
    expect(await parts(outbox)).toEqual([]);
    expect(await outbox.chunk('h')).toBeUndefined();
  });

  it('forgets one, and the chunks when nobody is left to use them', async () => {
    const outbox = new Outbox(newId());
    await outbox.write(writeOf());
    const other = copyOf({ wc: 'b'.repeat(32) });
    await outbox.write(writeOf({ copy: other }));
    await outbox.forget(wc);
    expect(await parts(outbox)).toEqual([]);
    expect(await outbox.chunk('h')).toBeDefined();
    await outbox.forget(other.wc);
    expect(await outbox.copies()).toEqual([]);
    expect(await outbox.chunk('h')).toBeUndefined();
  });

  it('says that the browser is full, and when it is no longer', async () => {
    const problems: OutboxProblem[] = [];
    const outbox = new Outbox(newId(), problem => problems.push(problem));
    await outbox.copies();
    const put = vi
      .spyOn(IDBObjectStore.prototype, 'put')
      .mockImplementation(() => {
        throw new DOMException('full', 'QuotaExceededError');
      });
    expect(await outbox.write(writeOf())).toBe(false);
    expect(await outbox.write(writeOf())).toBe(false);
    expect(problems).toEqual(['outbox_full']);
    put.mockRestore();
    expect(await outbox.write(writeOf())).toBe(true);
    expect(problems).toEqual(['outbox_full', null]);
  });

  it('says that there is none, and is empty then', async () => {
    const problems: OutboxProblem[] = [];
    vi.spyOn(indexedDB, 'open').mockImplementation(() => {
      throw new DOMException('not here', 'SecurityError');
    });
    const outbox = new Outbox(newId(), problem => problems.push(problem));
    expect(await outbox.write(writeOf())).toBe(false);
    expect(await outbox.copies()).toEqual([]);
    expect(problems).toEqual(['outbox_unavailable']);
    await outbox.close();
  });
});
