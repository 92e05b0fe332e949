import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { chunkText } from '../src/chunker';
import { Feed } from '../src/feed';
import type { ClientMessage, ServerMessage } from '../src/protocol';
import { breathe, stopTimers } from './recording';

class Socket {
  binaryType = '';
  onmessage: ((event: { data: string }) => void) | null = null;
  onopen: (() => void) | null = null;
  readonly sent: ClientMessage[] = [];
  readonly frames: Uint8Array[] = [];
  close = vi.fn();
  send(frame: string | Uint8Array): void {
    if (typeof frame === 'string') {
      this.sent.push(JSON.parse(frame) as ClientMessage);
    } else {
      this.frames.push(frame);
    }
  }
  say(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

const WELCOME: ServerMessage = {
  t: 'welcome',
  server: 's',
  store: 't',
  root: 'r',
  journal: true,
  problems: []
};

let socket: Socket;
let feed: Feed;

beforeEach(() => {
  stopTimers();
  socket = new Socket();
  feed = new Feed(socket as unknown as WebSocket, 'tab');
  socket.onopen?.();
});

afterEach(() => {
  feed.close();
  vi.useRealTimers();
});

/** Answer the last question with what the server lacks. */
function want(hashes: string[]): void {
  const last = socket.sent[socket.sent.length - 1];
  if (last.t !== 'have') {
    throw new Error(`a ${last.t} is no question`);
  }
  socket.say({ t: 'want', id: last.id, hashes });
}

describe('the feed', () => {
  it('says hello, and nothing else before the welcome', () => {
    feed.send({ t: 'ping', n: 1 });
    expect(socket.sent).toEqual([{ t: 'hello', protocol: 1, tab: 'tab' }]);
    expect(feed.isOpen).toBe(false);
    socket.say(WELCOME);
    expect(feed.isOpen).toBe(true);
  });

  it('sends the chunks that the server lacks, each once', async () => {
    socket.say(WELCOME);
    const { chunks } = chunkText('a line\n'.repeat(20_000));
    const [first, ...others] = chunks;
    let isDone = false;
    const upload = feed.upload(chunks).then(() => (isDone = true));
    want([first.hash]);
    await breathe();
    expect(socket.frames).toHaveLength(1);
    expect([...socket.frames[0].slice(32)]).toEqual([...first.bytes]);
    expect(isDone).toBe(false);
    socket.say({ t: 'stored', hash: first.hash });
    await upload;
    const asked = socket.sent.length;
    await feed.upload([first, ...others]);
    expect(socket.sent).toHaveLength(asked);
  });

  it('asks again for what the server does not know any more', async () => {
    socket.say(WELCOME);
    const { chunks } = chunkText('text');
    const hashes = chunks.map(one => one.hash);
    const upload = feed.upload(chunks);
    want([]);
    await upload;
    const nack = { t: 'nack', wc: 'w', seq: 1, message: '' } as const;
    socket.say({ ...nack, error: 'blob_unknown', hashes });
    const again = feed.upload(chunks);
    want(hashes);
    await breathe();
    expect(socket.frames).toHaveLength(1);
    socket.say({ t: 'stored', hash: hashes[0] });
    await again;
  });

  it('has about a megabyte of chunks under way, not more', async () => {
    socket.say(WELCOME);
    const text = Array.from(
      { length: 60_000 },
      (_, i) => `${i} a line of text, and more\n`
    ).join('');
    const { chunks } = chunkText(text);
    const upload = feed.upload(chunks);
    want(chunks.map(one => one.hash));
    await breathe();
    const underway = socket.frames.reduce((sum, one) => sum + one.length, 0);
    expect(underway).toBeLessThan(1_100_000);
    for (const { hash } of chunks) {
      socket.say({ t: 'stored', hash });
      await breathe();
    }
    await upload;
    expect(socket.frames).toHaveLength(chunks.length);
  });

  it('fails what is under way when a chunk is refused, or the connection breaks', async () => {
    socket.say(WELCOME);
    const one = chunkText('one').chunks;
    const refused = feed.upload(one);
    want([one[0].hash]);
    await breathe();
    const { hash } = one[0];
    socket.say({ t: 'refused', hash, error: 'disk_full', message: 'no space' });
    await expect(refused).rejects.toThrow('disk_full');
    const asked = feed.upload(chunkText('two').chunks);
    feed.close();
    await expect(asked).rejects.toThrow('gone');
    expect(socket.close).toHaveBeenCalledOnce();
  });

  it('pings, and closes after silence', async () => {
    const closed = vi.fn();
    feed.closed.connect(closed);
    socket.say(WELCOME);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(socket.sent.at(-1)).toEqual({ t: 'ping', n: 1 });
    socket.say({ t: 'pong', n: 1 });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(closed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(closed).toHaveBeenCalledOnce();
    expect(feed.isOpen).toBe(false);
    const sent = socket.sent.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(socket.sent).toHaveLength(sent);
  });
});
