/** A recorder over a real shared model, and a connection whose every message the test lets pass or not. */
import { YNotebook } from '@jupyter/ydoc';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { vi } from 'vitest';

import type { IChunk } from '../src/chunker';
import { sha256Hex } from '../src/hash';
import type { IAttachOptions } from '../src/contracts';
import type { ICopy, IOutboxWrite, Outbox } from '../src/outbox';
import type { ClientMessage, IEdit, ServerMessage } from '../src/protocol';
import { Recorder } from '../src/recorder';
import type { ILine } from '../src/sender';
import type { IJsonObject, Json, ReferenceServer } from './referenceserver';
import { withoutTrust } from './referenceserver';

type Context = DocumentRegistry.IContext<INotebookModel>;

/** Timers stand still; what fake-indexeddb needs to go on does not. */
export function stopTimers(): void {
  vi.useFakeTimers({
    toFake: [
      'Date',
      'setTimeout',
      'clearTimeout',
      'setInterval',
      'clearInterval'
    ]
  });
}

/** Let promises that can resolve do so. */
export async function breathe(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await Promise.resolve();
  }
}

/** Let IndexedDB finish, too. */
export async function idle(): Promise<void> {
  for (let i = 0; i < 40; i++) {
    await new Promise(resolve => setImmediate(resolve));
  }
}

/** A shared model with this content, as JupyterLab makes it of a file. */
export function shared(content: IJsonObject): YNotebook {
  const model = YNotebook.create() as YNotebook;
  model.fromJSON(structuredClone(content) as never);
  model.clearUndoHistory();
  return model;
}

export function contextOf(model: YNotebook, path = 'a.ipynb'): Context {
  return {
    model: { sharedModel: model },
    localPath: path,
    pathChanged: new Signal<object, string>({}),
    contentsModel: null
  } as unknown as Context;
}

/** What the shared model would be as a file, trust apart. */
export function contentOf(model: YNotebook): IJsonObject {
  const content = JSON.parse(JSON.stringify(model.toJSON())) as IJsonObject;
  return {
    nbformat: content.nbformat,
    nbformat_minor: content.nbformat_minor,
    metadata: content.metadata,
    cells: (content.cells as IJsonObject[]).map(cell => ({
      ...cell,
      metadata: withoutTrust(cell.metadata)
    }))
  };
}

/** The same with long texts as their digests, which makes a difference fit on a screen. */
export function brief(content: IJsonObject): IJsonObject {
  const shorter = (_: string, one: unknown) =>
    typeof one === 'string' && one.length > 80
      ? `${one.length}: ${one.slice(0, 40)} … ${sha256Hex(utf16(one))}`
      : one;
  return JSON.parse(JSON.stringify(content, shorter)) as IJsonObject;
}

function utf16(text: string): Uint8Array {
  const units = Uint16Array.from({ length: text.length }, (_, i) =>
    text.charCodeAt(i)
  );
  return new Uint8Array(units.buffer);
}

export function notebookOf(cells: Json[], metadata: Json = {}): IJsonObject {
  return { nbformat: 4, nbformat_minor: 5, metadata, cells };
}

let ids = 0;

export function code(source: string, outputs: Json[] = []): IJsonObject {
  const id = `cell-${ids++}`;
  const rest = { metadata: {}, outputs, execution_count: null };
  return { cell_type: 'code', id, source, ...rest };
}

/** Where a connection's messages wait until the test lets them pass. */
export class Line implements ILine {
  constructor(readonly server: ReferenceServer) {}
  readonly tab = 'f'.repeat(32);
  isOpen = true;
  recorder: Recorder | null = null;
  /** Everything that was sent, ever. */
  readonly log: ClientMessage[] = [];
  chunkBytes = 0;
  /** Refusals for the edits to come. */
  faults: string[] = [];
  toServer: ClientMessage[] = [];
  toPage: ServerMessage[] = [];
  private uploads: { chunks: IChunk[]; done: () => void; lost: () => void }[] =
    [];

  send(message: ClientMessage): void {
    if (this.isOpen) {
      const copy = structuredClone(message);
      this.log.push(copy);
      this.toServer.push(copy);
    }
  }

  upload(chunks: readonly IChunk[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const lost = () => reject(new Error('the connection is gone'));
      if (this.isOpen) {
        this.uploads.push({ chunks: [...chunks], done: resolve, lost });
      } else {
        lost();
      }
    });
  }

  get edits(): IEdit[] {
    return this.log.filter(one => one.t === 'edit');
  }

  /** Bytes of all edits and chunks so far. */
  get bytes(): number {
    const texts = this.edits.map(one => JSON.stringify(one));
    return this.chunkBytes + new TextEncoder().encode(texts.join('')).length;
  }

  /** Let so many messages pass in each direction. */
  async pass(most = Infinity): Promise<void> {
    for (let i = 0; i < most; i++) {
      await breathe();
      const upload = this.uploads.shift();
      const message = this.toServer.shift();
      if (upload) {
        for (const { hash, bytes } of upload.chunks) {
          if (!this.server.chunks.has(hash)) {
            this.chunkBytes += bytes.length;
            this.server.store(hash, bytes);
          }
        }
        upload.done();
      }
      if (message) {
        this.toPage.push(this.answer(message));
      }
      const answer = this.toPage.shift();
      if (answer && 'wc' in answer && answer.wc === this.recorder?.wc) {
        this.recorder.receive(answer);
      }
      if (!upload && !message && !answer) {
        return;
      }
    }
  }

  /** Everything reaches the server; its answers are still under way. */
  async reach(): Promise<void> {
    await breathe();
    this.toPage.push(...this.toServer.splice(0).map(one => this.answer(one)));
  }

  cut(): void {
    this.isOpen = false;
    this.toServer = [];
    this.toPage = [];
    this.uploads.splice(0).forEach(one => one.lost());
  }

  join(): void {
    this.isOpen = true;
    this.recorder?.connected();
  }

  private answer(message: ClientMessage): ServerMessage {
    const error = message.t === 'edit' ? this.faults.shift() : undefined;
    if (message.t !== 'edit' || error === undefined) {
      return this.server.take(message);
    }
    const { wc, seq } = message;
    if (error === 'unknown_working_copy') {
      this.server.copies.delete(wc);
    } else if (error === 'superseded') {
      const copy = this.server.copies.get(wc);
      if (!copy) {
        return this.server.take(message);
      }
      copy.epoch++;
    }
    const key = message.cells?.[0]?.key;
    const isOfCell = error === 'stale_part' && key !== undefined;
    const fields = isOfCell ? { key } : {};
    return { t: 'nack', wc, seq, error, message: error, ...fields };
  }
}

/** What the recorder writes for the browser, kept in memory. */
export class WroteOutbox {
  readonly writes: IOutboxWrite[] = [];
  readonly forgotten: string[] = [];
  write = async (write: IOutboxWrite): Promise<boolean> => {
    this.writes.push(write);
    return true;
  };
  saved = async (copy: ICopy): Promise<boolean> => Boolean(copy);
  sent = async (wc: string): Promise<boolean> => Boolean(wc);
  closed = async (copy: ICopy): Promise<boolean> => Boolean(copy);
  forget = async (wc: string): Promise<boolean> => {
    this.forgotten.push(wc);
    return true;
  };
  asOutbox(): Outbox {
    return this as unknown as Outbox;
  }
}

export interface IRecording {
  model: YNotebook;
  line: Line;
  recorder: Recorder;
  outbox: WroteOutbox;
  base: string | null;
}

/** Open a notebook that is in a file (`isHashKnown`: and of which we know the hash). */
export function open(
  server: ReferenceServer,
  content: IJsonObject,
  options: {
    isHashKnown?: boolean;
    outbox?: Outbox;
    attach?: Partial<IAttachOptions>;
  } = {}
): IRecording {
  const line = new Line(server);
  const model = shared(content);
  const outbox = new WroteOutbox();
  const base = options.isHashKnown === false ? null : server.write(content);
  const recorder = new Recorder({
    attach: {
      context: contextOf(model),
      mode: 'full',
      base,
      cells: (content.cells as Json[]).length,
      ...options.attach
    },
    line,
    outbox: () => options.outbox ?? outbox.asOutbox()
  });
  line.recorder = recorder;
  return { model, line, recorder, outbox, base };
}

/** Let everything be recorded, sent and acked. */
export async function settled({ line, recorder }: IRecording): Promise<void> {
  line.faults = [];
  if (!line.isOpen) {
    line.join();
  }
  for (let i = 0; i < 20; i++) {
    await vi.advanceTimersByTimeAsync(i < 4 ? 100 : 31_000);
    await line.pass();
    if (i > 3 && recorder.pending === 0) {
      return;
    }
  }
  throw new Error(`${recorder.pending} edits do not arrive`);
}
