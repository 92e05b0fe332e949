import type { YCodeCell, YNotebook } from '@jupyter/ydoc';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { IRecording } from './recording';
import {
  brief,
  code,
  contentOf,
  notebookOf,
  open,
  settled,
  stopTimers
} from './recording';
import { ReferenceServer } from './referenceserver';

beforeEach(() => stopTimers());

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const LINES = 'value = compute(x)  # some line of code\n'.repeat(10_000);

function opened(source = '', isHashKnown = true): IRecording {
  const content = notebookOf([code(source)]);
  return open(new ReferenceServer(), content, { isHashKnown });
}

function firstCell(model: YNotebook): YCodeCell {
  return model.cells[0] as YCodeCell;
}

async function tick({ line }: IRecording): Promise<void> {
  await vi.advanceTimersByTimeAsync(100);
  await line.pass();
}

async function expectSame(recording: IRecording): Promise<void> {
  await settled(recording);
  const { line, recorder, model } = recording;
  const stored = line.server.materialise(recorder.wc);
  expect(brief(stored)).toEqual(brief(contentOf(model)));
}

describe('what a change costs', () => {
  it('one key in a cell of 10,000 lines: at most 2 KB, the first one too', async () => {
    const recording = opened(LINES);
    await tick(recording);
    for (const at of [0, 200_000, 5]) {
      const before = recording.line.bytes;
      firstCell(recording.model).updateSource(at, at, 'k');
      await tick(recording);
      const cost = recording.line.bytes - before;
      expect(cost).toBeGreaterThan(0);
      expect(cost).toBeLessThanOrEqual(2_048);
    }
    await expectSame(recording);
  });

  it('a key after the cell was sent whole: at most 2 KB', async () => {
    const recording = opened('', false);
    firstCell(recording.model).setSource(LINES);
    await tick(recording);
    await tick(recording);
    const before = recording.line.bytes;
    firstCell(recording.model).updateSource(77, 78, 'k');
    await tick(recording);
    expect(recording.line.bytes - before).toBeLessThanOrEqual(2_048);
    await expectSame(recording);
  });

  it('10 MB of a stream in 1,000 pieces: at most twice its size, and never put together', async () => {
    const recording = opened();
    const cell = firstCell(recording.model);
    cell.setOutputs([
      { output_type: 'stream', name: 'stdout', text: 'begin\n' } as never
    ]);
    await tick(recording);
    const ytext = (
      cell.ymodel.get('outputs') as { get(i: number): Map<string, object> }
    )
      .get(0)
      .get('text')!;
    let units = 0;
    const prototype = Object.getPrototypeOf(ytext) as { toString(): string };
    const real = prototype.toString;
    vi.spyOn(prototype, 'toString').mockImplementation(function (this: object) {
      const text = real.call(this);
      units += text.length;
      return text;
    });
    const before = recording.line.bytes;
    for (let i = 0; i < 1_000; i++) {
      const piece = `step ${i}: ${'='.repeat(95)}\n`.repeat(100);
      cell.appendStreamOutput(0, piece.slice(0, 10_485));
      await tick(recording);
    }
    expect(recording.line.bytes - before).toBeLessThanOrEqual(2 * 10_485_000);
    expect(units).toBeLessThan(2 * 10_485_000);
    vi.restoreAllMocks();
    await expectSame(recording);
  }, 120_000);

  it('the next of 5,000 small outputs: itself, not the list', async () => {
    const recording = opened();
    const cell = firstCell(recording.model);
    const output = (n: number) =>
      ({
        output_type: 'display_data',
        data: { 'text/plain': `output ${n}` },
        metadata: {}
      }) as never;
    for (let n = 0; n < 5_000; n += 100) {
      const more = Array.from({ length: 100 }, (_, i) => output(n + i));
      cell.updateOutputs(n, n, more);
      await tick(recording);
    }
    expect(recording.line.bytes).toBeLessThan(5_000 * 200);
    const before = recording.line.bytes;
    cell.updateOutputs(5_000, 5_000, [output(5_000)]);
    await tick(recording);
    expect(recording.line.bytes - before).toBeLessThanOrEqual(1_024);
    await expectSame(recording);
  }, 60_000);
});

describe('how long a change waits', () => {
  it('at most 100 ms, while others go on', async () => {
    const recording = opened('', false);
    await recording.line.pass();
    const { outbox, model } = recording;
    for (let ms = 0; ms < 1_000; ms += 10) {
      firstCell(model).updateSource(0, 0, 'k');
      await vi.advanceTimersByTimeAsync(10);
      expect(outbox.writes.length).toBeGreaterThanOrEqual(
        Math.floor((ms + 10) / 100)
      );
    }
    expect(outbox.writes.length).toBeLessThanOrEqual(12);
  });

  it('no longer than to the next change where timers hardly ever fire', async () => {
    const { model, outbox } = opened();
    const cell = firstCell(model);
    cell.updateSource(0, 0, 'a');
    await Promise.resolve();
    expect(outbox.writes).toHaveLength(1);
    cell.updateSource(0, 0, 'b');
    await Promise.resolve();
    expect(outbox.writes).toHaveLength(1);
    vi.setSystemTime(Date.now() + 150);
    cell.updateSource(0, 0, 'c');
    await Promise.resolve();
    expect(outbox.writes).toHaveLength(2);
  });
});
