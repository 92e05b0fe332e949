import type { YCodeCell } from '@jupyter/ydoc';
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
import type { Json } from './referenceserver';
import { ReferenceServer } from './referenceserver';

beforeEach(() => stopTimers());

afterEach(() => vi.useRealTimers());

const PYTHON = { name: 'python3', display_name: 'Python 3' };

function opened(metadata: Json = {}, cells = [code('a')]): IRecording {
  return open(new ReferenceServer(), notebookOf(cells, metadata));
}

async function expectNoEdit(recording: IRecording): Promise<void> {
  await settled(recording);
  const { recorder, line, outbox } = recording;
  expect(recorder.isAhead).toBe(false);
  expect(recorder.seq).toBe(0);
  expect(line.edits).toEqual([]);
  expect(outbox.writes).toEqual([]);
}

async function expectSame(recording: IRecording): Promise<void> {
  await settled(recording);
  const { line, recorder, model } = recording;
  const stored = line.server.materialise(recorder.wc);
  expect(brief(stored)).toEqual(brief(contentOf(model)));
}

type Noise = [string, (recording: IRecording) => void];

const NOISES: Noise[] = [
  ['opening', () => undefined],
  [
    'the name of the kernel that a new notebook gets',
    ({ model }) => model.setMetadata('kernelspec', PYTHON)
  ],
  [
    'what a kernel says of its language',
    ({ model }) =>
      model.setMetadata('language_info', { name: 'python', version: '3.13' })
  ],
  ['trust', ({ model }) => model.cells[0].setMetadata('trusted', true)],
  [
    'the state of execution',
    ({ model }) =>
      ((model.cells[0] as YCodeCell).executionState = 'running' as never)
  ]
];

describe('no edit is', () => {
  it.each(NOISES)('%s', async (_, make) => {
    const recording = opened();
    make(recording);
    await expectNoEdit(recording);
  });

  it.each(NOISES.slice(1))(
    '%s; the next one takes it along',
    async (_, make) => {
      const recording = opened();
      make(recording);
      await settled(recording);
      recording.model.cells[0].setSource('typed');
      await expectSame(recording);
      expect(recording.recorder.isAhead).toBe(true);
    }
  );

  it('the empty cell that the page puts into an empty notebook', async () => {
    const recording = opened({}, []);
    recording.model.insertCell(0, { cell_type: 'code' });
    await expectNoEdit(recording);
    recording.model.cells[0].setSource('typed');
    await expectSame(recording);
  });

  it('the same kernel with other words', async () => {
    const recording = opened({ kernelspec: PYTHON });
    recording.model.setMetadata('kernelspec', {
      ...PYTHON,
      display_name: 'Python 3 (ipykernel)'
    });
    await expectNoEdit(recording);
  });
});

describe('an edit is', () => {
  it('another kernel', async () => {
    const recording = opened({ kernelspec: PYTHON });
    recording.model.setMetadata('kernelspec', { ...PYTHON, name: 'ir' });
    await expectSame(recording);
    expect(recording.recorder.isAhead).toBe(true);
  });

  it('a title', async () => {
    const recording = opened();
    recording.model.setMetadata('title', 'T');
    await expectSame(recording);
    expect(recording.recorder.isAhead).toBe(true);
  });

  it('the deletion of the only cell', async () => {
    const recording = opened();
    recording.model.deleteCell(0);
    await settled(recording);
    expect(recording.recorder.isAhead).toBe(true);
    recording.model.insertCell(0, { cell_type: 'code' });
    await expectSame(recording);
  });
});
