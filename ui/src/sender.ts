/** Sends a working copy's messages in turn: after the server's answer to `open`, and chunks before what names them. */
import type { IChunk } from './chunker';
import type { ClientMessage, IOpen } from './protocol';

const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 30_000;

/** What a recorder needs of the feed. */
export interface ILine {
  readonly isOpen: boolean;
  readonly tab: string;
  send(message: ClientMessage): void;
  /** Resolves when the server has all of them on disk. */
  upload(chunks: readonly IChunk[]): Promise<void>;
}

export class Sender {
  /** `onResume`: the time to try again has come. */
  constructor(
    private readonly _line: ILine,
    private readonly _onResume: () => void
  ) {}

  /** The server has answered `open`, and nothing keeps us from sending. */
  get isReady(): boolean {
    return this.isOpened && !this._retryTimer && this._line.isOpen;
  }

  /** The server has answered `open`. */
  get isOpened(): boolean {
    return this._isOpened;
  }

  /** Drop what waits, and say which working copy this is; edits go when the server has answered. */
  open(message: IOpen): void {
    this._generation++;
    this._queue = null;
    this._isOpened = false;
    if (this._line.isOpen) {
      this._line.send(message);
    }
  }

  opened(): void {
    this._isOpened = true;
  }

  /** Whether it is sent, or will be; if not, it is left to whoever sends everything after the next `open`. */
  send(message: ClientMessage, chunks: readonly IChunk[] = []): boolean {
    if (!this.isReady) {
      return false;
    }
    if (chunks.length === 0 && this._queue === null) {
      // The usual case, in the same task: a page that goes down at once has sent it.
      this._line.send(message);
      return true;
    }
    const generation = this._generation;
    const isCurrent = () => generation === this._generation && this.isReady;
    const queue = (this._queue ?? Promise.resolve())
      .then(async () => {
        if (isCurrent() && chunks.length > 0) {
          await this._line.upload(chunks);
        }
        if (isCurrent()) {
          this._line.send(message);
        }
      })
      .catch(reason => {
        console.warn('Indelible: an edit waits', reason);
        if (generation === this._generation) {
          this.pause();
        }
      })
      .then(() => {
        if (this._queue === queue) {
          this._queue = null;
        }
      });
    this._queue = queue;
    return true;
  }

  /** Send nothing for a while. */
  pause(): void {
    if (!this._retryTimer && !this._isDisposed) {
      this._retryTimer = window.setTimeout(() => this.retry(), this._retryMs);
      this._retryMs = Math.min(2 * this._retryMs, LAST_RETRY_MS);
    }
  }

  /** Do not wait any longer. */
  retry(): void {
    if (this._retryTimer) {
      window.clearTimeout(this._retryTimer);
      this._retryTimer = 0;
      this._onResume();
    }
  }

  /** The server has taken something. */
  worked(): void {
    this._retryMs = FIRST_RETRY_MS;
  }

  dispose(): void {
    this._isDisposed = true;
    window.clearTimeout(this._retryTimer);
    this._retryTimer = 0;
  }

  private _generation = 0;
  private _isDisposed = false;
  private _isOpened = false;
  /** Resolves when everything before has been sent; null when nothing waits. */
  private _queue: Promise<void> | null = null;
  private _retryMs = FIRST_RETRY_MS;
  private _retryTimer = 0;
}
