/**
 * What the server and the outbox have of one long text, and the splices made since: decides whether to send it whole
 * or in part. A text that only grows (a stream) is never put together again for that.
 */
import { chunkText, decodeChunk, isWellFormed, type IChunk } from './chunker';
import { textDigest } from './hash';
import type { ChunkRef, ITextChange, Splice, WholeText } from './protocol';
import { insertedSize, isAppended, joined } from './splices';

/** Texts up to this length are sent whole each time, without a revision. */
export const SHORT = 1_024;
/** Texts from this length on rest as chunks. */
export const INLINE = 16_384;
/** So many pending splices are not worth more than the whole. */
const MOST_SPLICES = 1_000;
/** More than this at once goes as chunks, which do not hold up the edits behind them. */
const MOST_INSERTED = 131_072;
const MOST_INLINE = 1_000_000;
/** What Yjs leaves of a surrogate pair that was cut apart. The splice does not tell. */
const REPLACEMENT = '\ufffd';

/** Where a text starts from, for the outbox: with `splices` it is the text itself. */
export type Origin =
  { base: string } | { chunks: ChunkRef[] } | { text: string };

export interface IKeptText {
  origin: Origin;
  splices: Splice[];
  /** Length after the splices. */
  len: number;
}

export interface ISent<T> {
  form: T;
  chunks: IChunk[];
}

interface IText {
  readonly length: number;
  toString(): string;
}

/** A whole text in its form on the wire. */
export function wholeForm(
  text: string,
  rev: number | null,
  inlineBelow = INLINE
): ISent<WholeText> {
  if (text.length < inlineBelow || !isWellFormed(text)) {
    return { form: rev === null ? text : { text, rev }, chunks: [] };
  }
  const { refs, chunks } = chunkText(text);
  return {
    form: rev === null ? { chunks: refs } : { chunks: refs, rev },
    chunks
  };
}

/** Chunks that stay as they are when the text grows, and the text of the last one, which does not. */
interface IGrowing {
  refs: ChunkRef[];
  tail: string;
  length: number;
}

export class TextTrack {
  /** `baseText`: the text as the base has it; long ones are then changed in place from the first key on. */
  constructor(baseText?: string) {
    if (
      baseText !== undefined &&
      baseText.length >= INLINE &&
      isWellFormed(baseText)
    ) {
      const base = textDigest(baseText);
      this._of = `base:${base}`;
      this._origin = { base };
      this._isOnBase = true;
    }
  }

  /** Whether the server builds this text on the base's. */
  get isOnBase(): boolean {
    return this._isOnBase;
  }

  /** The text was changed, and has this length now. */
  changed(splices: readonly Splice[], length: number): void {
    this._mayBeCut ||= !isAppended(splices, length);
    if (this._pending) {
      this._pending = joined(this._pending, splices);
      if (this._pending.length > MOST_SPLICES) {
        this._pending = null;
      }
    }
  }

  /** The server may have anything: send it whole next time. */
  reset(): void {
    this._of = null;
    this._pending = [];
    this._isOnBase = false;
    this._keep(null);
  }

  /**
   * The form that brings the server up to `text`; `newRev` gives a revision not used before. Texts from `inlineBelow`
   * on are sent as chunks.
   */
  send(
    text: IText,
    newRev: () => number,
    alwaysTracked = false,
    inlineBelow = INLINE
  ): ISent<WholeText | ITextChange> {
    const pending = this._pending;
    const mayBeCut = this._mayBeCut;
    this._pending = [];
    this._mayBeCut = false;
    if (this._of !== null && pending !== null && pending.length > 0) {
      const isCut = mayBeCut && text.toString().includes(REPLACEMENT);
      const sent = isCut ? null : this._inPart(pending, text, newRev);
      if (sent) {
        return sent;
      }
    }
    const whole = text.toString();
    const isTracked = alwaysTracked || whole.length > SHORT;
    const rev = isTracked ? newRev() : null;
    const sent = wholeForm(whole, rev, inlineBelow);
    this._of = rev;
    this._isOnBase = false;
    this._keep(isTracked ? sent : null);
    return sent;
  }

  /** For the outbox: where the text starts from and what was done to it; null when what was sent last says it all. */
  kept(text: { readonly length: number }): IKeptText | null {
    return this._origin && (this._kept.length > 0 || this._isRekept)
      ? { origin: this._origin, splices: [...this._kept], len: text.length }
      : null;
  }

  /** How much the outbox would have to write again with every splice. */
  get keptSize(): number {
    return insertedSize(this._kept);
  }

  /** Start the outbox's account of this text anew from its present state. */
  rekeep(text: IText): IChunk[] {
    const grown = this._grown();
    if (grown) {
      this._isRekept = true;
      return grown;
    }
    const sent = wholeForm(text.toString(), 0);
    this._keep(sent);
    this._isRekept = true;
    return sent.chunks;
  }

  private _inPart(
    pending: Splice[],
    text: IText,
    newRev: () => number
  ): ISent<WholeText | ITextChange> | null {
    this._kept = joined(this._kept, pending);
    const size = insertedSize(pending);
    if (size > MOST_INSERTED && !this._isRekept) {
      return this._inChunks(newRev);
    }
    if (size > MOST_INLINE) {
      return null;
    }
    const of = this._of as number | string;
    const rev = (this._of = newRev());
    return {
      form: { splices: pending, of, len: text.length, rev },
      chunks: []
    };
  }

  /** A text that has grown, by its chunks. Not when the server may lack some that only the outbox has seen. */
  private _inChunks(newRev: () => number): ISent<WholeText> | null {
    const chunks = this._grown();
    if (!chunks || !this._origin || !('chunks' in this._origin)) {
      return null;
    }
    this._isOnBase = false;
    this._of = newRev();
    return { form: { chunks: this._origin.chunks, rev: this._of }, chunks };
  }

  /** Take the outbox's splices into its chunks, if all they do is to make the text longer; the chunks that are new. */
  private _grown(): IChunk[] | null {
    const growing = this._growing;
    const [splice, more] = this._kept;
    if (!growing || !splice || more) {
      return null;
    }
    const [position, deleted, inserted] = splice;
    const tail = growing.tail + inserted;
    if (position !== growing.length || deleted > 0 || !isWellFormed(tail)) {
      return null;
    }
    const { refs, chunks } = chunkText(tail);
    this._setChunks([...growing.refs, ...refs], chunks);
    return chunks;
  }

  private _keep(sent: ISent<WholeText> | null): void {
    this._origin = null;
    this._growing = null;
    this._kept = [];
    this._isRekept = false;
    if (sent && typeof sent.form === 'string') {
      this._origin = { text: sent.form };
    } else if (sent && typeof sent.form === 'object') {
      if ('text' in sent.form) {
        this._origin = { text: sent.form.text };
      } else {
        this._setChunks(sent.form.chunks, sent.chunks);
      }
    }
  }

  private _setChunks(refs: ChunkRef[], chunks: readonly IChunk[]): void {
    this._origin = { chunks: refs };
    this._kept = [];
    this._growing = {
      refs: refs.slice(0, -1),
      // Decoded anew: a slice would keep the whole text in memory.
      tail: decodeChunk(chunks[chunks.length - 1].bytes),
      length: refs.reduce((sum, ref) => sum + ref[1], 0)
    };
  }

  private _of: number | string | null = null;
  /** Splices since the last send; null when there were too many to keep. */
  private _pending: Splice[] | null = [];
  /** A change since the last send may have cut a surrogate pair apart. */
  private _mayBeCut = false;
  private _origin: Origin | null = null;
  private _isOnBase = false;
  private _growing: IGrowing | null = null;
  private _kept: Splice[] = [];
  /** The outbox has another origin than the server. */
  private _isRekept = false;
}
