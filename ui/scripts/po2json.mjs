/** Translations: the .po file that people edit → the .json file that JupyterLab reads. `jlpm translations` */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = new URL(
  '../../src/indelible/locale/zh_CN/LC_MESSAGES/',
  import.meta.url
);

/** The entries of a .po file: [msgid, msgstrs]. */
export function parsePo(text) {
  const entries = [];
  for (const block of text.split(/\n\s*\n/)) {
    const fields = {};
    let field = '';
    for (const line of block.split('\n')) {
      const [, name, quoted] =
        /^(?:(msg\w+(?:\[\d\])?)\s+)?(".*")\s*$/.exec(line) ?? [];
      if (quoted) {
        field = name ?? field;
        fields[field] = (fields[field] ?? '') + JSON.parse(quoted);
      }
    }
    if (fields.msgid) {
      const isPlural = 'msgid_plural' in fields;
      const text = isPlural ? fields['msgstr[0]'] : fields.msgstr;
      // JupyterLab takes an entry for a plural only when it has more than one form, though Chinese has one.
      entries.push([fields.msgid, isPlural ? [text, text] : [text]]);
    }
  }
  return entries;
}

/** What JupyterLab's server reads: messages by their English text. */
export function poToJson(text) {
  const header = {
    domain: 'indelible',
    // With a hyphen, as JupyterLab names it in the page: with an underscore no text is found.
    language: 'zh-CN',
    plural_forms: 'nplurals=1; plural=0;',
    version: '1'
  };
  return { '': header, ...Object.fromEntries(parsePo(text)) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const json = poToJson(readFileSync(new URL('indelible.po', FOLDER), 'utf8'));
  writeFileSync(
    new URL('indelible.json', FOLDER),
    `${JSON.stringify(json, null, 2)}\n`
  );
}
