import { describe, expect, it } from 'vitest';

import { askedInterval, isFromConsole } from '../src/console';

const OWN =
  'http://localhost:8888/lab/extensions/indelible/static/26.6d279713cc6ba4ac.js';

describe('who calls set_autosave_interval', () => {
  it('is the console, when no script stands behind it', () => {
    const chrome = `Error\n    at Object.set_autosave_interval (${OWN}:1:200)\n    at <anonymous>:1:18`;
    const firefox = `set_autosave_interval@${OWN}:1:200\n@debugger eval code:1:18`;
    const playwright = `Error\n    at Object.set_autosave_interval (${OWN}:1:20)\n    at eval (eval at evaluate (:290:30), <anonymous>:1:18)\n    at UtilityScript.evaluate (<anonymous>:290:30)`;
    expect(isFromConsole(chrome, OWN)).toBe(true);
    expect(isFromConsole(firefox, OWN)).toBe(true);
    expect(isFromConsole(playwright, OWN)).toBe(true);
  });
  it('is an output, when the host’s scripts run it', () => {
    const output = `Error\n    at Object.set_autosave_interval (${OWN}:1:20)\n    at eval (eval at evalInContext (http://localhost:8888/static/lab/jlab_core.js:2:99), <anonymous>:1:18)\n    at evalInContext (http://localhost:8888/static/lab/jlab_core.js:2:99)`;
    expect(isFromConsole(output, OWN)).toBe(false);
  });
});

function message(values: {
  type?: string;
  data?: Record<string, unknown>;
  session?: string;
}): Parameters<typeof askedInterval>[0] {
  return {
    header: { msg_type: values.type ?? 'display_data' },
    parent_header: { session: values.session ?? 'me' },
    content: {
      data: values.data ?? {
        'application/javascript':
          'IPython.notebook.set_autosave_interval(60000)'
      },
      metadata: {}
    }
  } as unknown as Parameters<typeof askedInterval>[0];
}

describe('%autosave', () => {
  it('is honoured when this page ran it', () => {
    expect(askedInterval(message({}), 'me')).toBe(60000);
    const off = {
      'application/javascript': 'IPython.notebook.set_autosave_interval(0)'
    };
    expect(askedInterval(message({ data: off }), 'me')).toBe(0);
  });
  it('is not honoured for another page’s execution', () => {
    expect(askedInterval(message({ session: 'other' }), 'me')).toBeNull();
    expect(askedInterval(message({}), undefined)).toBeNull();
  });
  it('is not seen in other messages', () => {
    expect(askedInterval(message({ type: 'stream' }), 'me')).toBeNull();
    expect(
      askedInterval(
        message({ data: { 'text/plain': 'set_autosave_interval(1)' } }),
        'me'
      )
    ).toBeNull();
    expect(askedInterval(message({ data: {} }), 'me')).toBeNull();
  });
});
