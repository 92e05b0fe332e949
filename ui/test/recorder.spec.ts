import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { ISavePoint } from '../src/contracts';
import type { IDraft } from '../src/protocol';
import { edit } from './edits';
import type { INamedAct } from './edits';
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

const RUNS = Number(process.env.RUNS ?? 25);

beforeEach(() => {
  stopTimers();
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** What happens between the page and the server besides edits. */
class Story {
  constructor(readonly recording: IRecording) {}
  private marks: { point: ISavePoint; hash: string | null }[] = [];
  private snapshot: ReturnType<ReferenceServer['snapshot']> | null = null;
  /** What the file was last saved as. */
  file: unknown = null;

  async happen(what: string): Promise<void> {
    const { line, recorder, model } = this.recording;
    const { server } = line;
    switch (what) {
      case 'flush':
        await vi.advanceTimersByTimeAsync(100);
        break;
      case 'pass':
        await line.pass();
        break;
      case 'pass one':
        await line.pass(1);
        break;
      case 'reach':
        await line.reach();
        break;
      case 'mark':
      case 'mark without a hash': {
        const point = recorder.mark();
        const hash = server.write(contentOf(model));
        this.marks.push({ point, hash: what === 'mark' ? hash : null });
        break;
      }
      case 'saved': {
        const save = this.marks.shift();
        if (save) {
          recorder.saved(save.point, save.hash);
          this.snapshot = null;
        }
        break;
      }
      case 'cut':
        line.cut();
        break;
      case 'join':
        line.cut();
        line.join();
        break;
      case 'the journal is lost':
        line.cut();
        server.copies.clear();
        line.join();
        break;
      case 'take a snapshot':
        this.snapshot = server.snapshot();
        break;
      case 'the journal is set back':
        if (this.snapshot?.has(recorder.wc)) {
          line.cut();
          server.copies = structuredClone(this.snapshot);
          line.join();
        }
        break;
      case 'resync':
        line.toPage.push({ t: 'resync', wc: recorder.wc, why: 'test' });
        break;
      default:
        line.faults.push(what);
    }
  }
}

const happening = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom(
      'flush',
      'pass',
      'pass one',
      'reach',
      'mark',
      'saved'
    )
  },
  fc.constantFrom(
    'mark without a hash',
    'cut',
    'join',
    'the journal is lost',
    'take a snapshot',
    'the journal is set back',
    'resync',
    'stale_part',
    'disk_full',
    'superseded',
    'blob_unknown',
    'unknown_working_copy',
    'malformed',
    'too_large'
  )
);

const LONG = 'def f(x): return x  # a line\n'.repeat(2_000);
const CONTENT = notebookOf(
  [
    code('a = 1'),
    code(LONG, [
      { output_type: 'stream', name: 'stdout', text: 'one\n' },
      { output_type: 'display_data', data: { 'text/plain': 'x' }, metadata: {} }
    ]),
    { cell_type: 'markdown', id: 'md', source: '# 标题 😀', metadata: {} },
    { cell_type: 'raw', id: 'raw', source: '', metadata: { format: 'x' } }
  ],
  { kernelspec: { name: 'python3', display_name: 'P' } }
);

async function play(
  steps: readonly (INamedAct | string)[],
  isHashKnown: boolean
): Promise<void> {
  const server = new ReferenceServer();
  const recording = open(server, CONTENT, { isHashKnown });
  const { model, recorder } = recording;
  const story = new Story(recording);
  const opened = contentOf(model);
  for (const step of steps) {
    if (typeof step === 'string') {
      await story.happen(step);
    } else {
      step.act(model);
    }
  }
  await settled(recording);
  if (recorder.seq > 0) {
    const stored = brief(server.materialise(recorder.wc));
    expect(stored).toEqual(brief(contentOf(model)));
  } else {
    expect(brief(opened)).toEqual(brief(contentOf(model)));
  }
  recorder.dispose();
  model.dispose();
}

describe('after whatever happens, the server has what the page shows', () => {
  it.each([
    ['on the file', true],
    ['by itself', false]
  ])(
    '%s',
    async (_, isHashKnown) => {
      const step = fc.oneof(edit, happening);
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { maxLength: 30, size: 'max' }),
          steps => play(steps, isHashKnown)
        ),
        { numRuns: RUNS }
      );
    },
    300_000
  );
});

function lines(): IRecording {
  const server = new ReferenceServer();
  return open(server, notebookOf([code('one'), code('two'), code('three')]));
}

async function type(recording: IRecording, at: number, text: string) {
  recording.model.cells[at].setSource(text);
  await vi.advanceTimersByTimeAsync(100);
}

async function expectSame(recording: IRecording) {
  await settled(recording);
  const { line, recorder, model } = recording;
  const stored = line.server.materialise(recorder.wc);
  expect(brief(stored)).toEqual(brief(contentOf(model)));
}

describe('an edit', () => {
  it('that was refused is not lost when the refusal is, and a later one was taken', async () => {
    const recording = lines();
    const { line } = recording;
    await type(recording, 0, 'first');
    await line.pass();
    line.faults = ['disk_full'];
    await type(recording, 1, 'refused');
    await type(recording, 2, 'taken');
    await line.reach();
    line.cut();
    await expectSame(recording);
  });

  it('counts also when another tab took this one for dead and repeated the edits', async () => {
    const recording = open(new ReferenceServer(), notebookOf([code('a')]));
    const { line, model, recorder } = recording;
    model.cells[0].setSource('before');
    await settled(recording);
    const { wc } = recorder;
    const seq = recorder.seq + 1_000;
    const cells = [{ key: 0, source: 'before' }];
    line.server.take({ t: 'edit', wc, epoch: 1, seq, at: 0, cells });
    model.cells[0].setSource('after');
    await settled(recording);
    const stored = line.server.materialise(wc);
    expect(brief(stored)).toEqual(brief(contentOf(model)));
  });

  it('that was made before the server answered goes when it has', async () => {
    const recording = lines();
    await type(recording, 0, 'early');
    expect(recording.line.edits).toEqual([]);
    await recording.line.pass();
    expect(recording.line.edits).toHaveLength(1);
    await expectSame(recording);
  });

  it('that is always refused is not sent again at once, and again', async () => {
    const recording = lines();
    const { line } = recording;
    await line.pass();
    line.faults = Array.from({ length: 10_000 }, () => 'too_large');
    await type(recording, 0, 'x');
    await line.pass(500);
    expect(line.edits.length).toBeLessThan(20);
    await vi.advanceTimersByTimeAsync(60_000);
    await line.pass(500);
    expect(line.edits.length).toBeLessThan(40);
    await expectSame(recording);
  });

  it('after another tab took over goes into a working copy of its own', async () => {
    const recording = lines();
    const { line, recorder, outbox } = recording;
    await type(recording, 0, 'mine');
    await line.pass();
    const first = recorder.wc;
    line.faults = ['superseded'];
    await type(recording, 1, 'mine, too');
    await line.pass();
    await expectSame(recording);
    expect(recorder.wc).not.toBe(first);
    expect(outbox.forgotten).toEqual([first]);
    const last = line.edits[line.edits.length - 1];
    expect(last).toMatchObject({ wc: recorder.wc, epoch: 1, reset: true });
  });
});

describe('saving', () => {
  it('leaves what was typed meanwhile ahead of the file', async () => {
    const recording = lines();
    const { line, recorder, model } = recording;
    await type(recording, 0, 'in the file');
    const point = recorder.mark();
    const hash = line.server.write(contentOf(model));
    await type(recording, 1, 'not in the file');
    recorder.saved(point, hash);
    expect(recorder.isAhead).toBe(true);
    await expectSame(recording);
    const again = recorder.mark();
    recorder.saved(again, line.server.write(contentOf(model)));
    expect(recorder.isAhead).toBe(false);
    await expectSame(recording);
    await type(recording, 2, 'on the new base');
    await expectSame(recording);
  });

  it('without an edit before is only a new base', async () => {
    const recording = lines();
    const { line, recorder, model } = recording;
    await line.pass();
    const hash = line.server.write({ ...contentOf(model), other: 'writer' });
    recorder.saved(recorder.mark(), hash);
    await line.pass();
    expect(recorder.isAhead).toBe(false);
    await type(recording, 0, 'first');
    await expectSame(recording);
    expect(line.log.at(-1)).toMatchObject({ t: 'edit' });
  });

  it('tells nothing of a moment before the content was replaced', async () => {
    const recording = lines();
    const { line, recorder, model } = recording;
    await type(recording, 0, 'gone');
    await line.pass();
    const point = recorder.mark();
    const old = line.server.write(contentOf(model));
    const other = notebookOf([code('other')]);
    recorder.reloading(line.server.write(other), 1);
    model.fromJSON(structuredClone(other) as never);
    await vi.advanceTimersByTimeAsync(2_000);
    recorder.saved(point, old);
    await type(recording, 0, 'more');
    await expectSame(recording);
    expect(recorder.isAhead).toBe(true);
  });
});

describe('a reload', () => {
  it('is a new working copy, and no edit', async () => {
    const recording = lines();
    const { line, recorder, model } = recording;
    await type(recording, 0, 'to be dropped');
    await line.pass();
    const first = recorder.wc;
    const other = notebookOf([code('from'), code('the file')]);
    recorder.reloading(line.server.write(other), 2);
    model.fromJSON(structuredClone(other) as never);
    await vi.advanceTimersByTimeAsync(2_000);
    await line.pass();
    expect(recorder.wc).not.toBe(first);
    expect(recorder.isAhead).toBe(false);
    expect(recorder.seq).toBe(0);
    expect(line.server.closed.get(first)).toBe('discard');
    await type(recording, 1, 'edited');
    await expectSame(recording);
  });
});

describe('a draft that was brought back', () => {
  async function broughtBack(): Promise<IRecording> {
    const first = lines();
    const { server } = first.line;
    await type(first, 1, 'unsaved');
    first.model.moveCell(2, 0);
    await settled(first);
    first.recorder.dispose();
    const { wc } = first.recorder;
    const copy = server.copies.get(wc)!;
    copy.epoch++;
    const content = server.materialise(wc);
    return open(server, content, {
      attach: {
        base: first.base,
        cells: 3,
        draft: {
          ...{ wc, path: 'a.ipynb', edited_at: '', state: 'live' },
          ...{ base: first.base, base_is_current: true, cells_changed: 2 },
          ...{ bytes: 1, epoch: copy.epoch, seq: copy.seq },
          keys: copy.order!,
          content: content as IDraft['content']
        }
      }
    });
  }

  it('is ahead of the file, and goes on where it was', async () => {
    const recording = await broughtBack();
    expect(recording.recorder.isAhead).toBe(true);
    await type(recording, 2, 'more');
    recording.model.insertCell(1, { cell_type: 'markdown', source: 'new' });
    await expectSame(recording);
    expect(recording.line.edits.every(one => !one.reset)).toBe(true);
  });

  it('is sent whole when the journal is lost', async () => {
    const recording = await broughtBack();
    const { line, recorder, model } = recording;
    await settled(recording);
    line.cut();
    line.server.copies.clear();
    line.join();
    await expectSame(recording);
    const saved = recorder.mark();
    recorder.saved(saved, line.server.write(contentOf(model)));
    await type(recording, 0, 'after the save');
    await expectSame(recording);
  });
});

describe('a recorder that is disposed', () => {
  it('says and does nothing more', async () => {
    const recording = lines();
    const { line, recorder, model, outbox } = recording;
    await type(recording, 0, 'x');
    await line.pass();
    recorder.dispose();
    const sent = line.log.length;
    const written = outbox.writes.length;
    await type(recording, 1, 'y');
    model.setMetadata('title', 'z');
    await vi.advanceTimersByTimeAsync(60_000);
    await line.pass();
    expect(line.log.length).toBe(sent);
    expect(outbox.writes.length).toBe(written);
  });
});
