/** What a working copy has left in the outbox, as messages for the server. */
import type { KeptPart } from './celltrack';
import {
  ATTACHMENTS,
  HEAD,
  METADATA,
  OUTPUT,
  OUTPUTS,
  SOURCE
} from './celltrack';
import { decodeChunk, type IChunk } from './chunker';
import type { ICopy, IPart, Outbox } from './outbox';
import type {
  ChunkRef,
  ICellChange,
  IEdit,
  IHead,
  IValue,
  Path,
  Runs,
  Text,
  WholeText
} from './protocol';
import type { IKeptText } from './texttrack';
import { spliced } from './splices';
import { SHORT, wholeForm } from './texttrack';

export interface IReplay {
  edit: IEdit;
  chunks: IChunk[];
}

/** How far the seq of repeated edits lies above all that their page has given: no edit of it may have the same. */
const REPEAT_STEP = 1_000;

/**
 * One edit with every part that the server may lack; null when there is none. `acked`: the last edit that it has taken,
 * `saved`: everything up to there is in the file. Rejects when a chunk is missing.
 */
export async function replay(
  outbox: Outbox,
  copy: ICopy,
  acked: number,
  saved = 0
): Promise<IReplay | null> {
  const all = await outbox.parts(copy.wc);
  // Not what was acked to nobody: an edit may have been refused, and that lost, before a later one was taken. But a
  // browser that was killed may have kept less than it had sent: then the server's parts are newer than these.
  const isComplete = copy.seq >= acked;
  const heard = isComplete ? (copy.sentSeq ?? copy.savedSeq) : acked;
  const start = Math.max(saved, Math.min(acked, heard));
  const parts = all.filter(one => one.seq > start);
  if (parts.length === 0) {
    return null;
  }
  const edit: IEdit = {
    t: 'edit',
    wc: copy.wc,
    epoch: copy.epoch,
    // At or below `acked` it would be acked, and not looked at.
    seq: parts.some(one => one.seq <= acked)
      ? Math.max(copy.seq, acked) + REPEAT_STEP
      : copy.seq,
    at: copy.at
  };
  if (copy.base === null && acked <= 0) {
    edit.reset = true;
  }
  const builder = new Builder(outbox);
  const cells = new Map<number, ICellChange>();
  for (const part of parts) {
    if (part.key < 0) {
      const { form } = part.value as { form: unknown };
      if (part.part === 0) {
        edit.order = form as Runs;
      } else {
        edit.meta = await builder.value(form as IValue);
      }
      continue;
    }
    const change = cells.get(part.key) ?? { key: part.key };
    cells.set(part.key, change);
    await builder.add(change, part);
  }
  for (const change of cells.values()) {
    if (change.outputs && change.outputs.len < 0) {
      // Only outputs were newer than the ack, not their number: it is in the outbox all the same.
      const length = all.find(
        one => one.key === change.key && one.part === OUTPUTS
      );
      change.outputs.len =
        (length?.value as { form: number } | undefined)?.form ?? 0;
    }
  }
  edit.cells = [...cells.values()];
  return { edit, chunks: builder.chunks };
}

class Builder {
  constructor(private readonly _outbox: Outbox) {}

  readonly chunks: IChunk[] = [];

  async add(change: ICellChange, { part, value }: IPart): Promise<void> {
    const form = 'form' in value ? value.form : null;
    if (part === HEAD) {
      change.head = form as IHead;
    } else if (part === SOURCE) {
      change.source =
        'kept' in value
          ? await this._kept(value.kept, true)
          : await this._whole(form as WholeText);
    } else if (part === METADATA) {
      change.metadata = await this.value(form as IValue);
    } else if (part === ATTACHMENTS) {
      change.attachments =
        form === null ? null : await this.value(form as IValue);
    } else if (part === OUTPUTS) {
      change.outputs = { len: form as number, set: change.outputs?.set ?? [] };
    } else {
      change.outputs ??= { len: -1, set: [] };
      change.outputs.set.push([part - OUTPUT, await this._output(value)]);
    }
  }

  async value(value: IValue): Promise<IValue> {
    const long: [Path, WholeText][] = [];
    for (const [path, text] of value.long ?? []) {
      long.push([path, await this._whole(text)]);
    }
    return long.length > 0 ? { ...value, long } : value;
  }

  private async _output(value: KeptPart): Promise<IValue> {
    if (!('kept' in value)) {
      return this.value(value.form as IValue);
    }
    const path: Path = ['text'];
    return {
      json: value.json ?? {},
      long: [[path, (await this._kept(value.kept, false)) as WholeText]]
    };
  }

  /** A text as it goes over the wire; its chunks must go first. */
  private async _whole(form: WholeText): Promise<WholeText> {
    if (typeof form === 'string' || 'text' in form) {
      return this._chunked(typeof form === 'string' ? form : form.text);
    }
    for (const [hash] of form.chunks) {
      this.chunks.push({ hash, bytes: await this._bytes(hash) });
    }
    return form;
  }

  /** Everything goes in one message: longer strings must not make it too large. */
  private _chunked(text: string): WholeText {
    const { form, chunks } = wholeForm(text, null, SHORT);
    this.chunks.push(...chunks);
    return form;
  }

  private async _kept(kept: IKeptText, mayBeOnBase: boolean): Promise<Text> {
    if ('base' in kept.origin) {
      if (!mayBeOnBase) {
        throw new Error('an output cannot be built on the base');
      }
      return {
        splices: kept.splices,
        of: `base:${kept.origin.base}`,
        len: kept.len,
        rev: Date.now()
      };
    }
    const start =
      'text' in kept.origin
        ? kept.origin.text
        : await this._text(kept.origin.chunks);
    return this._chunked(spliced(start, kept.splices));
  }

  private async _text(refs: readonly ChunkRef[]): Promise<string> {
    let text = '';
    for (const [hash] of refs) {
      text += decodeChunk(await this._bytes(hash));
    }
    return text;
  }

  private async _bytes(hash: string): Promise<Uint8Array> {
    const bytes = await this._outbox.chunk(hash);
    if (!bytes) {
      throw new Error(`chunk ${hash} is not in the outbox`);
    }
    return bytes;
  }
}
