/**
 * What the server has of one long text, and the splices made since: decides whether to send it whole or in part.
 */
import { chunkText, isWellFormed, type IChunk } from './chunker';
import { textDigest } from './hash';
import type { ChunkRef, ITextChange, Splice, WholeText } from './protocol';

/** Texts up to this length are sent whole each time, without a revision. */
export const SHORT = 1_024;
/** Texts from this length on rest as chunks. */
export const INLINE = 16_384;
/** So many pending splices are not worth more than the whole. */
const MOST_SPLICES = 1_000;

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

export class TextTrack {
  /** `baseText`: the text as the base has it; long ones are then changed in place from the first key on. */
  constructor(baseText?: string) {
    if (
      baseText !== undefined &&
      baseText.length >= INLINE &&
      isWellFormed(baseText)
    ) {
      this._of = `base:${textDigest(baseText)}`;
      this._origin = { base: this._of.slice('base:'.length) };
    }
  }

  /** Whether the server builds this text on the base's. */
  get isOnBase(): boolean {
    return this._origin !== null && 'base' in this._origin;
  }

  changed(splices: Splice[]): void {
    this._pending?.push(...splices);
    if (this._pending && this._pending.length > MOST_SPLICES) {
      this._pending = null;
    }
  }

  /** The server may have anything: send it whole next time. */
  reset(): void {
    this._of = null;
    this._pending = [];
    this._origin = null;
    this._kept = [];
  }

  /** The form that brings the server up to `text`; `newRev` gives a revision not used before. */
  send(
    text: { readonly length: number; toString(): string },
    newRev: () => number,
    alwaysTracked = false
  ): ISent<WholeText | ITextChange> {
    const pending = this._pending;
    this._pending = [];
    if (this._of !== null && pending !== null && pending.length > 0) {
      const rev = newRev();
      const form: ITextChange = {
        splices: pending,
        of: this._of,
        len: text.length,
        rev
      };
      this._of = rev;
      this._kept.push(...pending);
      return { form, chunks: [] };
    }
    this._isRekept = false;
    const whole = text.toString();
    const rev = alwaysTracked || whole.length > SHORT ? newRev() : null;
    const sent = wholeForm(whole, rev);
    this._of = rev;
    this._kept = [];
    this._origin = null;
    if (rev !== null) {
      const form = sent.form as { text: string } | { chunks: ChunkRef[] };
      this._origin =
        'chunks' in form ? { chunks: form.chunks } : { text: form.text };
    }
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
    return this._kept.reduce((sum, splice) => sum + splice[2].length + 16, 0);
  }

  /** Start the outbox's account of this text anew from its present state. */
  rekeep(text: string): IChunk[] {
    const sent = wholeForm(text, 0);
    const form = sent.form as { text: string } | { chunks: ChunkRef[] };
    this._origin =
      'chunks' in form ? { chunks: form.chunks } : { text: form.text };
    this._kept = [];
    this._isRekept = true;
    return sent.chunks;
  }

  private _of: number | string | null = null;
  /** Splices since the last send; null when there were too many to keep. */
  private _pending: Splice[] | null = [];
  private _origin: Origin | null = null;
  private _kept: Splice[] = [];
  /** The outbox has another origin than the server. */
  private _isRekept = false;
}
