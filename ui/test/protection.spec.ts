import { ServerConnection } from '@jupyterlab/services';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { newId } from '../src/hash';
import type { ICopy } from '../src/outbox';
import { Outbox } from '../src/outbox';
import { Protection } from '../src/protection';
import type { ClientMessage, IHello, ServerMessage } from '../src/protocol';
import type { Recorder } from '../src/recorder';
import {
  brief,
  code,
  contentOf,
  contextOf,
  idle,
  notebookOf,
  open,
  shared,
  stopTimers
} from './recording';
import { ReferenceServer } from './referenceserver';

/** A server that a page reaches by `fetch` and WebSocket; every test has a store of its own. */
class Place {
  readonly server = new ReferenceServer();
  readonly store = newId();
  readonly name = `${this.store}:root`;
  sockets: Socket[] = [];
  requests: Request[] = [];
  messages: ClientMessage[] = [];
  isMute = false;
  hello: () => Response | Promise<Response> = () => json(this.helloOf());

  helloOf(values: Partial<IHello> = {}): IHello {
    return {
      full_save_because: null,
      protocol: 1,
      version: '0',
      server: 's',
      store: this.store,
      root: 'root',
      journal: true,
      autosave_interval_ms: 1,
      save_on_blur: true,
      save_after_run: true,
      problems: [],
      ...values
    };
  }

  get settings(): ServerConnection.ISettings {
    return {
      ...ServerConnection.makeSettings(),
      baseUrl: 'http://localhost/',
      wsUrl: 'ws://localhost/',
      token: '',
      fetch: async (request: Request) => {
        this.requests.push(request);
        return request.url.includes('/hello') ? this.hello() : json({});
      },
      WebSocket: Socket.bind(null, this) as unknown as typeof WebSocket
    } as ServerConnection.ISettings;
  }

  get socket(): Socket {
    return this.sockets[this.sockets.length - 1];
  }

  count(t: ClientMessage['t']): number {
    return this.messages.filter(one => one.t === t).length;
  }
}

class Socket {
  constructor(private readonly place: Place) {
    place.sockets.push(this);
    queueMicrotask(() => this.onopen?.());
  }
  binaryType = '';
  isClosed = false;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;

  send(frame: string | Uint8Array): void {
    if (typeof frame !== 'string') {
      const hash = [...frame.slice(0, 32)]
        .map(one => one.toString(16).padStart(2, '0'))
        .join('');
      this.place.server.store(hash, frame.slice(32));
      this.answer({ t: 'stored', hash });
      return;
    }
    const message = JSON.parse(frame) as ClientMessage;
    this.place.messages.push(message);
    this.answer(this.place.server.take(message));
  }

  answer(message: ServerMessage): void {
    if (!this.place.isMute) {
      queueMicrotask(() => this.onmessage?.({ data: JSON.stringify(message) }));
    }
  }

  close(): void {
    this.isClosed = true;
  }

  break(): void {
    this.onclose?.();
  }
}

function json(body: object, status = 200): Response {
  const headers = { 'Content-Type': 'application/json' };
  return new Response(JSON.stringify(body), { status, headers });
}

let protections: Protection[] = [];

function start(place: Place): Protection {
  const protection = new Protection(place.settings);
  protections.push(protection);
  return protection;
}

async function pass(ms = 0): Promise<void> {
  await idle();
  await vi.advanceTimersByTimeAsync(ms);
  await idle();
}

/** The tabs that live, as the lock manager tells them. */
let tabs: string[] = [];

beforeEach(() => {
  stopTimers();
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  tabs = [];
  Object.defineProperty(navigator, 'locks', {
    configurable: true,
    value: {
      query: async () => ({
        held: tabs.map(tab => ({ name: `indelible:tab:${tab}` }))
      }),
      request: async () => undefined
    }
  });
});

afterEach(() => {
  protections.forEach(one => one.dispose());
  protections = [];
  localStorage.clear();
  sessionStorage.clear();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('the link', () => {
  it.each([
    ['connected', (place: Place) => json(place.helloOf())],
    ['missing', () => json({}, 404)],
    ['missing', (place: Place) => json(place.helloOf({ store: '' }))],
    ['login', () => json({}, 401)],
    ['login', () => json({}, 403)],
    ['login', () => new Response('<html>', { status: 200 })],
    ['offline', () => Promise.reject(new TypeError('no network'))],
    ['offline', () => json({}, 503)],
    ['off', (place: Place) => json(place.helloOf({ journal: false }))]
  ] as [string, (place: Place) => Response | Promise<Response>][])(
    'is %s (%#)',
    async (link, hello) => {
      const place = new Place();
      place.hello = () => hello(place);
      const protection = start(place);
      expect(protection.link).toBe('unknown');
      await pass();
      expect(protection.link).toBe(link);
    }
  );

  it('comes back by itself, after waits that get longer up to 10 s', async () => {
    const place = new Place();
    place.hello = () => Promise.reject(new TypeError('no network'));
    const protection = start(place);
    await pass();
    const waits: number[] = [];
    let last = Date.now();
    for (let ms = 0; ms < 45_000; ms += 100) {
      const before = place.requests.length;
      await vi.advanceTimersByTimeAsync(100);
      if (place.requests.length > before) {
        waits.push(Date.now() - last);
        last = Date.now();
      }
    }
    expect(waits.slice(0, 7).map(one => Math.round(one / 500) * 500)).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000
    ]);
    place.hello = () => json(place.helloOf());
    await pass(10_000);
    expect(protection.link).toBe('connected');
  });

  it('is tried again at once when somebody asks', async () => {
    const place = new Place();
    place.hello = () => json({}, 404);
    const protection = start(place);
    await pass();
    place.hello = () => json(place.helloOf());
    protection.retry();
    await pass();
    expect(protection.link).toBe('connected');
  });

  it('is offline when the socket breaks, and when nothing is heard for long', async () => {
    const place = new Place();
    const protection = start(place);
    await pass();
    place.socket.break();
    expect(protection.link).toBe('offline');
    await pass(500);
    expect(protection.link).toBe('connected');
    expect(place.sockets).toHaveLength(2);
    await pass(60_000);
    expect(protection.link).toBe('connected');
    place.isMute = true;
    await pass(16_000);
    expect(protection.link).toBe('offline');
    expect(place.sockets[1].isClosed).toBe(true);
  });

  it('leaves saving to Jupyter when requests pass and WebSockets do not', async () => {
    const place = new Place();
    place.isMute = true;
    const protection = start(place);
    await pass();
    for (let count = 1; count <= 3; count++) {
      expect(protection.link).not.toBe('missing');
      place.socket.break();
      await pass(5_000);
    }
    expect(protection.link).toBe('missing');
    expect(protection.problems.map(one => one.code)).toEqual(['feed_blocked']);
    place.isMute = false;
    place.socket.break();
    await pass(10_000);
    expect(protection.link).toBe('connected');
    expect(protection.problems).toEqual([]);
  });

  it('does not wait for ever for a welcome', async () => {
    const place = new Place();
    place.isMute = true;
    const protection = start(place);
    await pass(11_000);
    expect(protection.link).toBe('offline');
    expect(place.sockets[0].isClosed).toBe(true);
  });

  it('leaves no timer behind when it is disposed', async () => {
    const place = new Place();
    start(place);
    await pass();
    protections.pop()!.dispose();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('problems', () => {
  const FULL = {
    code: 'disk_full',
    message: 'm',
    hint: 'h',
    since: '2026-01-01T00:00:00Z',
    path: null
  };

  it('are the server’s, as it tells them', async () => {
    const place = new Place();
    place.hello = () => json(place.helloOf({ problems: [FULL] }));
    const protection = start(place);
    await pass();
    place.socket.answer({ t: 'problems', problems: [FULL] });
    await pass();
    expect(protection.problems).toEqual([FULL]);
    place.socket.answer({ t: 'problems', problems: [] });
    await pass();
    expect(protection.problems).toEqual([]);
  });

  it('are this browser’s, too, and do not keep edits from the server', async () => {
    vi.spyOn(indexedDB, 'open').mockImplementation(() => {
      throw new DOMException('not here', 'SecurityError');
    });
    const place = new Place();
    const protection = start(place);
    const content = notebookOf([code('a')]);
    const model = shared(content);
    const base = place.server.write(content);
    const recorder = protection.attach({
      context: contextOf(model),
      mode: 'full',
      base,
      cells: 1
    });
    await pass();
    model.cells[0].setSource('b');
    await pass(200);
    expect(protection.problems.map(one => one.code)).toEqual([
      'outbox_unavailable'
    ]);
    const stored = place.server.materialise(recorder.wc);
    expect(brief(stored)).toEqual(brief(contentOf(model)));
  });
});

describe('a page that goes', () => {
  it('sends what is not acked in one last request of at most 64 KiB', async () => {
    const place = new Place();
    const protection = start(place);
    const content = notebookOf([code('a'), code('b')]);
    const model = shared(content);
    protection.attach({
      context: contextOf(model),
      mode: 'full',
      base: place.server.write(content),
      cells: 2
    });
    await pass();
    place.isMute = true;
    model.cells[0].setSource('small');
    await pass(100);
    model.cells[1].setSource('é'.repeat(15_000));
    window.dispatchEvent(new Event('pagehide'));
    await pass();
    const last = place.requests.at(-1)!;
    expect(last.url).toContain('indelible/api/edits');
    expect(last.keepalive).toBe(true);
    const body = await last.text();
    expect(new TextEncoder().encode(body).length).toBeLessThanOrEqual(65_536);
    const { messages } = JSON.parse(body) as { messages: ClientMessage[] };
    expect(messages[0].t).toBe('open');
    expect(body).toContain('small');
  });

  it('sends nothing when all is acked', async () => {
    const place = new Place();
    start(place);
    await pass();
    const before = place.requests.length;
    window.dispatchEvent(new Event('pagehide'));
    expect(place.requests.length).toBe(before);
  });
});

describe('what a tab has left', () => {
  /** Type into a notebook in a tab that never reached the server, and is gone. */
  async function left(place: Place): Promise<{ wc: string; source: string }> {
    const outbox = new Outbox(place.name);
    const source = `typed ${newId()}`;
    const content = notebookOf([code('a')]);
    const recording = open(place.server, content, { outbox });
    recording.model.cells[0].setSource(source);
    await pass(100);
    const { wc } = recording.recorder as Recorder;
    recording.recorder.dispose();
    await outbox.close();
    return { wc, source };
  }

  async function copies(place: Place): Promise<ICopy[]> {
    const outbox = new Outbox(place.name);
    const found = await outbox.copies();
    await outbox.close();
    return found;
  }

  it('goes to the server, once', async () => {
    const place = new Place();
    const { wc, source } = await left(place);
    const protection = start(place);
    await pass();
    const flushed = protection.flushOrphans(5_000);
    await pass(100);
    await flushed;
    expect(JSON.stringify(place.server.materialise(wc))).toContain(source);
    expect(place.server.closed.get(wc)).toBe('away');
    expect(place.count('edit')).toBe(1);
    await protection.flushOrphans(0).catch(() => undefined);
    place.socket.break();
    await pass(1_000);
    await pass();
    expect(protection.link).toBe('connected');
    expect(place.count('edit')).toBe(1);
  });

  it('stays where it is while that tab lives', async () => {
    const place = new Place();
    const { wc } = await left(place);
    tabs = ['f'.repeat(32)];
    start(place);
    await pass(100);
    expect(place.count('edit')).toBe(0);
    expect((await copies(place)).map(one => one.wc)).toEqual([wc]);
  });

  it('becomes a draft of its own when somebody went on with it elsewhere', async () => {
    const place = new Place();
    const { wc, source } = await left(place);
    const { server } = place;
    const content = [...server.files.keys()].at(-1)!;
    server.take({
      ...{ t: 'open', wc, epoch: 5, path: 'a.ipynb', base: content },
      ...{ cells: 1, seq: 0, mode: 'full' }
    } as ClientMessage);
    server.take({ t: 'edit', wc, epoch: 5, seq: 1, at: 0 });
    start(place);
    await pass(100);
    const others = [...server.copies.keys()].filter(one => one !== wc);
    expect(others).toHaveLength(1);
    expect(JSON.stringify(server.materialise(others[0]))).toContain(source);
    expect(server.closed.get(others[0])).toBe('away');
    expect(await copies(place)).toEqual([]);
  });

  /** Three edits, of which the second was refused; the tab was gone before it heard of that. */
  async function leftRefused(place: Place): Promise<string> {
    const outbox = new Outbox(place.name);
    const content = notebookOf([code('a'), code('b')]);
    const recording = open(place.server, content, { outbox });
    const { line, model, recorder } = recording;
    await line.pass();
    const type = async (cell: number, text: string) => {
      model.cells[cell].setSource(text);
      await vi.advanceTimersByTimeAsync(100);
    };
    await type(0, 'first');
    await line.pass();
    line.faults = ['blob_unknown'];
    await type(1, 'refused');
    await type(0, 'last');
    await line.reach();
    recorder.dispose();
    await idle();
    await outbox.close();
    return recorder.wc;
  }

  const sources = (place: Place, wc: string) =>
    (place.server.materialise(wc).cells as { source: string }[]).map(
      one => one.source
    );

  it('is complete also when a refusal was never heard', async () => {
    const place = new Place();
    const wc = await leftRefused(place);
    expect(sources(place, wc)).toEqual(['last', 'b']);
    start(place);
    await pass(100);
    expect(sources(place, wc)).toEqual(['last', 'refused']);
    expect(place.count('edit')).toBe(1);
    place.socket.break();
    await pass(1_000);
    await pass();
    expect(place.count('edit')).toBe(1);
  });

  it('is not put over what another tab that adopted it has written', async () => {
    const place = new Place();
    const wc = await leftRefused(place);
    const { server } = place;
    const base = [...server.files.keys()].at(-1)!;
    const adopted = { wc, epoch: 2, path: 'a.ipynb', base, cells: 2 };
    const take = server.take.bind(server);
    vi.spyOn(server, 'take').mockImplementation(message => {
      const answer = take(message);
      if (message.t === 'open' && message.wc === wc) {
        // Between our question and our edit.
        take({ t: 'open', ...adopted, seq: 3, mode: 'full' });
        const cells = [{ key: 1, source: 'of the other tab' }];
        take({ t: 'edit', wc, epoch: 2, seq: 4, at: 0, cells });
      }
      return answer;
    });
    start(place);
    await pass(100);
    expect(sources(place, wc)).toEqual(['last', 'of the other tab']);
    const others = [...server.copies.keys()].filter(one => one !== wc);
    expect(others).toHaveLength(1);
    expect(sources(place, others[0])).toEqual(['last', 'refused']);
  });

  it('is not sent again when the file holds it', async () => {
    const place = new Place();
    const outbox = new Outbox(place.name);
    const content = notebookOf([code('a')]);
    const { line, model, recorder } = open(place.server, content, { outbox });
    await line.pass();
    model.cells[0].setSource('saved');
    await vi.advanceTimersByTimeAsync(100);
    recorder.saved(recorder.mark(), place.server.write(contentOf(model)));
    await line.reach();
    recorder.dispose();
    await idle();
    await outbox.close();
    start(place);
    await pass(100);
    expect(place.count('open')).toBe(1);
    expect(place.count('edit')).toBe(0);
  });

  it('is not waited for longer than asked', async () => {
    const place = new Place();
    await left(place);
    place.isMute = true;
    const protection = start(place);
    let isOver = false;
    void protection.flushOrphans(1_000).then(() => (isOver = true));
    await pass(900);
    expect(isOver).toBe(false);
    await pass(200);
    expect(isOver).toBe(true);
  });
});
