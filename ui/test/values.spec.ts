import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { compress } from '../src/runs';
import { insertedSize, joined, spliced } from '../src/splices';
import type { Splice } from '../src/protocol';
import { INLINE, SHORT } from '../src/texttrack';
import { valueForm } from '../src/values';
import { expand } from './referenceserver';

describe('a list of keys', () => {
  it('is runs of numbers that follow each other', () => {
    expect(compress([])).toEqual([]);
    expect(compress([0, 1, 2, 91, 3, 4])).toEqual([
      [0, 3],
      [91, 1],
      [3, 2]
    ]);
    expect(compress([2, 1, 0])).toEqual([
      [2, 1],
      [1, 1],
      [0, 1]
    ]);
  });

  it('comes back from them', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), keys => {
        expect(expand(compress(keys))).toEqual(keys);
      })
    );
  });
});

describe('a value', () => {
  it('without long strings is itself', () => {
    const value = { a: [1, null, 'x'.repeat(SHORT)], b: { c: true } };
    expect(valueForm(value)).toEqual({ form: { json: value }, chunks: [] });
  });

  it('has its long strings lifted out, with null in their place', () => {
    const long = 'y'.repeat(SHORT + 1);
    const value = { a: [1, { b: long }], c: long };
    expect(valueForm(value).form).toEqual({
      json: { a: [1, { b: null }], c: null },
      long: [
        [['a', 1, 'b'], long],
        [['c'], long]
      ]
    });
    expect(value.c).toBe(long);
  });

  it('that is a long string has the empty path', () => {
    const long = 'y'.repeat(SHORT + 1);
    expect(valueForm(long).form).toEqual({ json: null, long: [[[], long]] });
  });

  it('has its longest strings as chunks', () => {
    const { form, chunks } = valueForm({ png: 'z'.repeat(INLINE) });
    expect(form.long?.[0][1]).toEqual({
      chunks: chunks.map(one => [one.hash, one.bytes.length])
    });
    expect(chunks.length).toBeGreaterThan(0);
  });

  it('has a long string with lone surrogates inline: it has no UTF-8 form', () => {
    const text = 'z'.repeat(INLINE) + '\ud83d';
    expect(valueForm({ text })).toEqual({
      form: { json: { text: null }, long: [[['text'], text]] },
      chunks: []
    });
  });

  it('leaves out what JSON has no word for', () => {
    const value = { a: undefined, b: 1 } as unknown as { b: number };
    expect(valueForm(value).form).toEqual({ json: { b: 1 } });
  });
});

describe('splices', () => {
  it('do the same joined as one after the other', () => {
    const step = fc.tuple(fc.nat(30), fc.nat(3), fc.string({ maxLength: 3 }));
    fc.assert(
      fc.property(
        fc.string({ minLength: 5, maxLength: 10 }),
        fc.array(step, { maxLength: 12 }),
        (start, steps) => {
          let text = start;
          let list: Splice[] = [];
          for (const [at, deleted, inserted] of steps) {
            const position = Math.min(at, text.length);
            const gone = Math.min(deleted, text.length - position);
            const one: Splice = [position, gone, inserted];
            text = spliced(text, [one]);
            list = joined(list, [one]);
          }
          expect(spliced(start, list)).toBe(text);
        }
      )
    );
  });

  it('of a word typed letter by letter are one', () => {
    const letters = [...'print'].map((c, i): Splice => [7 + i, 0, c]);
    const one = letters.reduce<Splice[]>((all, s) => joined(all, [s]), []);
    expect(one).toEqual([[7, 0, 'print']]);
    expect(joined(one, [[11, 1, '']])).toEqual([[7, 0, 'prin']]);
    expect(insertedSize(one)).toBeLessThan(30);
  });
});
