/**
 * Cuts long texts into chunks as the server does (docs/reference/protocol.md, "Chunks";
 * tests/vectors/chunks.json holds both to it).
 */
import { sha256Hex } from './hash';
import type { ChunkRef } from './protocol';

export const MINIMUM = 8_192;
export const MAXIMUM = 65_536;
export const GAP = 16_384;

const NEWLINE = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export interface IChunk {
  readonly hash: string;
  readonly bytes: Uint8Array;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) {
    value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return value >>> 0;
});

function crc32(data: Uint8Array, start: number, end: number): number {
  let value = 0xffffffff;
  for (let index = start; index < end; index++) {
    value = (value >>> 8) ^ CRC_TABLE[(value ^ data[index]) & 0xff];
  }
  return (value ^ 0xffffffff) >>> 0;
}

export function decodeChunk(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Whether the text has no lone surrogates, and so a UTF-8 form. */
export function isWellFormed(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0xd800 && unit <= 0xdfff) {
      const next = text.charCodeAt(index + 1);
      if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) {
        return false;
      }
      index++;
    }
  }
  return true;
}

/** The end of the line that holds `from`, if it is at or before `limit`; else 0. */
function lineEnd(data: Uint8Array, from: number, limit: number): number {
  const found = data.indexOf(NEWLINE, from);
  return found < 0 || found >= limit ? 0 : found + 1;
}

function lineStart(data: Uint8Array, start: number, before: number): number {
  const found = data.lastIndexOf(NEWLINE, before - 1);
  return found < start ? start : found + 1;
}

/** The end of each chunk, rising. */
export function cuts(data: Uint8Array): number[] {
  const ends: number[] = [];
  let start = 0;
  while (data.length - start > MINIMUM) {
    const limit = start + MAXIMUM;
    let line = lineStart(data, start, start + MINIMUM - 1);
    let end = lineEnd(data, start + MINIMUM - 1, limit);
    while (end && crc32(data, line, end) % GAP >= end - line) {
      line = end;
      end = lineEnd(data, end, limit);
    }
    if (!end) {
      if (data.length <= limit) {
        break;
      }
      end = limit;
      while (end > limit - 3 && (data[end] & 0xc0) === 0x80) {
        end--;
      }
    }
    ends.push(end);
    start = end;
  }
  if (start < data.length) {
    ends.push(data.length);
  }
  return ends;
}

/** The chunks of a well-formed text, and the references to them. */
export function chunkText(text: string): {
  refs: ChunkRef[];
  chunks: IChunk[];
} {
  const data = encoder.encode(text);
  const isAscii = data.length === text.length;
  const refs: ChunkRef[] = [];
  const chunks: IChunk[] = [];
  let start = 0;
  for (const end of cuts(data)) {
    const bytes = data.slice(start, end);
    const hash = sha256Hex(bytes);
    refs.push([hash, isAscii ? bytes.length : decodeChunk(bytes).length]);
    chunks.push({ hash, bytes });
    start = end;
  }
  return { refs, chunks };
}
