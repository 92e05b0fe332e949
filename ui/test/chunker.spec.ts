import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  chunkText,
  cuts,
  decodeChunk,
  isWellFormed,
  MAXIMUM,
  MINIMUM
} from '../src/chunker';
import { sha256Hex } from '../src/hash';
import type { ChunkRef } from '../src/protocol';

interface IInput {
  text?: string;
  repeat?: { unit: string; times: number };
  lines?: { before: string; times: number; after: string };
  parts?: IInput[];
}

interface IVector extends IInput {
  name: string;
  chunks: ChunkRef[];
}

const { vectors } = JSON.parse(
  readFileSync(resolve(__dirname, '../../tests/vectors/chunks.json'), 'utf8')
) as { vectors: IVector[] };

function textOf({ text, repeat, lines, parts }: IInput): string {
  if (text !== undefined) {
    return text;
  }
  if (repeat) {
    return repeat.unit.repeat(repeat.times);
  }
  if (lines) {
    const { before, times, after } = lines;
    return Array.from({ length: times }, (_, i) => before + i + after).join('');
  }
  return parts!.map(textOf).join('');
}

describe('a long text', () => {
  it.each(vectors.map(one => [one.name, one] as const))(
    'is cut as the server cuts it: %s',
    (_, vector) => {
      expect(chunkText(textOf(vector)).refs).toEqual(vector.chunks);
    }
  );

  it('is its chunks, one after the other, none too long and none torn', () => {
    const line = fc.tuple(
      fc.string({ unit: 'binary', maxLength: 40 }).filter(isWellFormed),
      fc.integer({ min: 1, max: 3_000 })
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), lines => {
        const text = lines
          .map(([unit, times]) => unit.repeat(times))
          .join('\n');
        const { refs, chunks } = chunkText(text);
        const decoded = chunks.map(one => decodeChunk(one.bytes));
        expect(decoded.join('')).toBe(text);
        expect(refs).toEqual(
          chunks.map((one, i) => [sha256Hex(one.bytes), decoded[i].length])
        );
        for (const [index, { bytes }] of chunks.entries()) {
          expect(bytes.length).toBeLessThanOrEqual(MAXIMUM);
          if (index < chunks.length - 1) {
            expect(bytes.length).toBeGreaterThanOrEqual(MINIMUM);
          }
        }
      }),
      { numRuns: 60 }
    );
  });

  it('has no chunks when it is empty', () => {
    expect(cuts(new Uint8Array())).toEqual([]);
    expect(chunkText('')).toEqual({ refs: [], chunks: [] });
  });

  it('keeps a byte order mark', () => {
    const text = '\ufeff' + 'x'.repeat(20);
    expect(decodeChunk(chunkText(text).chunks[0].bytes)).toBe(text);
  });
});

describe('a text', () => {
  it.each([
    ['', true],
    ['a😀b', true],
    ['😀', true],
    ['\ud83d', false],
    ['\ude00', false],
    ['\ude00\ud83d', false],
    ['a\ud83db', false],
    ['😀\ud83d', false],
    ['\ud83d\ud83d\ude00', false]
  ])('%j is well-formed: %s', (text, is) => {
    expect(isWellFormed(text)).toBe(is);
  });

  it('is well-formed when it has a UTF-8 form, and only then', () => {
    const unit = fc.integer({ min: 0xd7fe, max: 0xe001 });
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 6 }), units => {
        const text = String.fromCharCode(...units);
        const back = new TextDecoder().decode(new TextEncoder().encode(text));
        expect(isWellFormed(text)).toBe(back === text);
      })
    );
  });
});
