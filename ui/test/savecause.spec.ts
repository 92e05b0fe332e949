import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import { SaveFailure } from '../src/filesave';
import { failureDetail, failureText } from '../src/savecause';

const trans = nullTranslator.load('indelible');

const answered = (status: number) =>
  new ServerConnection.ResponseError(
    { status, statusText: 'said so' } as Response,
    `answer ${status}`
  );

describe('the cause of a failed save', () => {
  it.each([
    [401, /login may have expired/],
    [403, /login may have expired/],
    [413, /too large for a proxy/],
    [408, /did not reach the server/],
    [502, /did not reach the server/],
    [504, /did not reach the server/],
    [500, /answer 500/]
  ])('for the answer %i', (status, words) => {
    expect(failureText(answered(status), trans)).toMatch(words);
  });

  it.each([
    'disk_full',
    'read_only',
    'no_permission',
    'name_too_long',
    'mount_lost',
    'io_error',
    'file_gone',
    'file_changed',
    'not_a_notebook',
    'conflict',
    'offline'
  ])('has words of its own for %s', code => {
    const text = failureText(
      new SaveFailure(code, 'as the server says'),
      trans
    );
    expect(text).not.toBe('as the server says');
    expect(text).not.toContain(code);
  });

  it('is found below the error that Jupyter is given', () => {
    const cause = new SaveFailure('disk_full', 'no space', 'free some');
    const outer = new Error('cancelled', { cause });
    expect(failureText(outer, trans)).toBe('the disk of the file is full');
    expect(failureDetail(outer)).toBe('no space. free some');
  });

  it('of what has no name is what the server said', () => {
    expect(failureText(new SaveFailure('odd', 'odd indeed'), trans)).toBe(
      'odd indeed'
    );
  });
});
