/** The WebSocket to the server, from one `connect` to its close; see protection.ts for when there is one. */
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { IChunk } from './chunker';
import type { ClientMessage, ServerMessage } from './protocol';

const PING_MS = 5_000;
const SILENCE_MS = 12_000;
const HANDSHAKE_MS = 10_000;
/** Bytes of chunks that wait for their answer at once. */
const WINDOW_BYTES = 1_000_000;

interface IUpload {
  chunk: IChunk;
  resolve: () => void;
  reject: (reason: Error) => void;
}

export class Feed {
  constructor(socket: WebSocket, tab: string) {
    this._socket = socket;
    this._heardAt = Date.now();
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this._transmit({ t: 'hello', protocol: 1, tab });
    socket.onmessage = event => this._onMessage(event);
    socket.onclose = () => this.close();
    socket.onerror = () => this.close();
    this._timer = window.setInterval(() => this._ping(), PING_MS);
    this._handshake = window.setTimeout(() => this.close(), HANDSHAKE_MS);
  }

  /** The server has answered our hello. */
  get isOpen(): boolean {
    return this._isOpen;
  }

  get received(): ISignal<Feed, ServerMessage> {
    return this._received;
  }

  /** Emitted once. */
  get closed(): ISignal<Feed, void> {
    return this._closed;
  }

  send(message: ClientMessage): void {
    if (this._isOpen) {
      this._transmit(message);
    }
  }

  async upload(chunks: readonly IChunk[]): Promise<void> {
    const wanted = new Map(
      chunks
        .filter(one => !this._stored.has(one.hash))
        .map(one => [one.hash, one])
    );
    if (wanted.size === 0) {
      return;
    }
    const lacking = await this._have([...wanted.keys()]);
    const uploads = lacking.map(hash => {
      const chunk = wanted.get(hash);
      return chunk ? this._put(chunk) : Promise.resolve();
    });
    await Promise.all(uploads);
    wanted.forEach((_, hash) => this._stored.add(hash));
  }

  close(): void {
    if (this._isClosed) {
      return;
    }
    this._isClosed = true;
    this._isOpen = false;
    window.clearInterval(this._timer);
    window.clearTimeout(this._handshake);
    this._socket.onopen =
      this._socket.onmessage =
      this._socket.onclose =
      this._socket.onerror =
        null;
    this._socket.close();
    const reason = new Error('the connection is gone');
    this._questions.forEach(one => one.reject(reason));
    [...this._waiting, ...this._underway.values()].forEach(one =>
      one.reject(reason)
    );
    this._questions.clear();
    this._closed.emit();
    Signal.clearData(this);
  }

  private _transmit(message: ClientMessage): void {
    this._socket.send(JSON.stringify(message));
  }

  private _onMessage(event: MessageEvent): void {
    this._heardAt = Date.now();
    const message = JSON.parse(event.data as string) as ServerMessage;
    switch (message.t) {
      case 'welcome':
        window.clearTimeout(this._handshake);
        this._isOpen = true;
        break;
      case 'want':
        this._questions.get(message.id)?.resolve(message.hashes);
        this._questions.delete(message.id);
        return;
      case 'stored':
      case 'refused':
        this._onUploaded(message);
        return;
      case 'pong':
        return;
      case 'nack':
        // They were let go of since they were asked for.
        message.hashes?.forEach(hash => this._stored.delete(hash));
        break;
    }
    this._received.emit(message);
  }

  private _ping(): void {
    // A network that is cut closes nothing.
    if (Date.now() - this._heardAt > SILENCE_MS) {
      this.close();
    } else if (this._isOpen) {
      this._transmit({ t: 'ping', n: ++this._pings });
    }
  }

  private _have(hashes: string[]): Promise<string[]> {
    const id = ++this._asked;
    return new Promise((resolve, reject) => {
      if (!this._isOpen) {
        reject(new Error('the connection is gone'));
        return;
      }
      this._questions.set(id, { resolve, reject });
      this._transmit({ t: 'have', id, hashes });
    });
  }

  private _put(chunk: IChunk): Promise<void> {
    return new Promise((resolve, reject) => {
      this._waiting.push({ chunk, resolve, reject });
      this._fill();
    });
  }

  private _fill(): void {
    while (
      this._isOpen &&
      this._waiting.length > 0 &&
      this._size < WINDOW_BYTES
    ) {
      const upload = this._waiting.shift() as IUpload;
      const { hash, bytes } = upload.chunk;
      const frame = new Uint8Array(32 + bytes.length);
      for (let index = 0; index < 32; index++) {
        frame[index] = parseInt(hash.slice(2 * index, 2 * index + 2), 16);
      }
      frame.set(bytes, 32);
      this._underway.set(hash, upload);
      this._size += bytes.length;
      this._socket.send(frame);
    }
  }

  private _onUploaded(
    message: Extract<ServerMessage, { t: 'stored' | 'refused' }>
  ): void {
    const upload = this._underway.get(message.hash);
    if (upload) {
      this._underway.delete(message.hash);
      this._size -= upload.chunk.bytes.length;
      if (message.t === 'stored') {
        upload.resolve();
      } else {
        upload.reject(new Error(`${message.error}: ${message.message}`));
      }
    }
    this._fill();
  }

  private _asked = 0;
  private _closed = new Signal<Feed, void>(this);
  private _handshake: number;
  private _heardAt: number;
  private _isClosed = false;
  private _isOpen = false;
  private _pings = 0;
  private _questions = new Map<
    number,
    { resolve: (hashes: string[]) => void; reject: (reason: Error) => void }
  >();
  private _received = new Signal<Feed, ServerMessage>(this);
  private _size = 0;
  private _socket: WebSocket;
  /** Hashes that the server has had during this connection. */
  private _stored = new Set<string>();
  private _timer: number;
  private _underway = new Map<string, IUpload>();
  private _waiting: IUpload[] = [];
}
