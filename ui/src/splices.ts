/** Lists of splices, each in terms of the text that the ones before it leave. Pure. */
import type { Splice } from './protocol';

/** What a splice weighs besides the text that it inserts. */
const SPLICE_SIZE = 16;

/** The list and then the others; what goes on where the last one ended, as typing does, becomes part of it. */
export function joined(
  splices: readonly Splice[],
  more: readonly Splice[]
): Splice[] {
  const result = [...splices];
  for (const splice of more) {
    const last = result[result.length - 1];
    const one = last && merged(last, splice);
    if (one) {
      result[result.length - 1] = one;
    } else {
      result.push(splice);
    }
  }
  return result;
}

function merged(first: Splice, second: Splice): Splice | null {
  const [start, deleted, inserted] = first;
  const [position, gone, added] = second;
  const end = start + inserted.length;
  if (gone === 0 && position === end) {
    return [start, deleted, inserted + added];
  }
  if (added === '' && position >= start && position + gone === end) {
    return [start, deleted, inserted.slice(0, position - start)];
  }
  return null;
}

/** Whether all that they do is to add to the end of a text that has this length afterwards. */
export function isAppended(
  splices: readonly Splice[],
  length: number
): boolean {
  const [splice, more] = splices;
  return (
    splice !== undefined &&
    more === undefined &&
    splice[1] === 0 &&
    splice[0] + splice[2].length === length
  );
}

export function insertedSize(splices: readonly Splice[]): number {
  return splices.reduce((sum, one) => sum + one[2].length + SPLICE_SIZE, 0);
}

export function spliced(text: string, splices: readonly Splice[]): string {
  for (const [position, deleted, inserted] of splices) {
    text = text.slice(0, position) + inserted + text.slice(position + deleted);
  }
  return text;
}
