import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { poToJson } from '../scripts/po2json.mjs';

const SOURCES = join(__dirname, '../src');
const LOCALE = join(__dirname, '../../src/indelible/locale/zh_CN/LC_MESSAGES');

/** Every trans.__('…') and trans._n('…', '…', n) of the sources, with the number of forms that each needs. */
function strings(): Map<string, number> {
  const found = new Map<string, number>();
  for (const name of readdirSync(SOURCES).filter(one => one.endsWith('.ts'))) {
    const text = readFileSync(join(SOURCES, name), 'utf8');
    const visit = (node: ts.Node): void => {
      if (
        ts.isCallExpression(node) &&
        ts.isPropertyAccessExpression(node.expression)
      ) {
        const method = node.expression.name.text;
        if (
          /trans$/.test(node.expression.expression.getText()) &&
          (method === '__' || method === '_n')
        ) {
          const [id] = node.arguments;
          if (!ts.isStringLiteralLike(id)) {
            throw new Error(
              `${name}: ${id.getText()} is not a literal, so it cannot be translated`
            );
          }
          found.set(id.text, method === '_n' ? 2 : 1);
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(ts.createSourceFile(name, text, ts.ScriptTarget.ES2021, true));
  }
  return found;
}

const placeholders = (text: string) =>
  [...text.matchAll(/%\d/g)].map(one => one[0]).sort();

describe('zh_CN', () => {
  const read = (name: string) => readFileSync(join(LOCALE, name), 'utf8');
  const json = JSON.parse(read('indelible.json')) as Record<string, string[]>;
  const { '': header, ...messages } = json;

  it('has every string of the page, and no other', () => {
    expect(Object.keys(messages).sort()).toEqual([...strings().keys()].sort());
  });

  it('has the number of forms that JupyterLab looks for', () => {
    const forms = Object.fromEntries(
      Object.entries(messages).map(([id, all]) => [id, all.length])
    );
    expect(forms).toEqual(Object.fromEntries(strings()));
  });

  it('is translated, and keeps the places for values', () => {
    for (const [id, [text]] of Object.entries(messages)) {
      expect(text, id).toMatch(/[\u4e00-\u9fff]|^%1 s$/);
      expect(placeholders(text), id).toEqual(placeholders(id));
    }
  });

  it('was made from the .po file', () => {
    expect(json).toEqual(poToJson(read('indelible.po')));
    expect(header).toMatchObject({ language: 'zh-CN' });
  });
});
