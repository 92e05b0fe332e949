/** The indicator's details: the same facts on hover (as text) and on click (as a panel). */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IProblem } from './protocol';
import { failureDetail, failureText } from './savecause';
import { causeOf, clockTime, describe, type IStatus } from './statustext';

export interface IFact {
  readonly label: string;
  readonly value: string;
}

/** "60 s", "5 min". */
export function duration(ms: number, trans: TranslationBundle): string {
  const seconds = ms / 1000;
  return seconds >= 120 && seconds % 60 === 0
    ? trans.__('%1 min', seconds / 60)
    : trans.__('%1 s', Math.round(seconds * 10) / 10);
}

function journalFact(status: IStatus, trans: TranslationBundle): string {
  switch (status.link) {
    case 'connected':
      return status.pending === 0
        ? trans.__('everything is on the server’s disk')
        : trans._n(
            '%1 edit on its way',
            '%1 edits on their way',
            status.pending
          );
    case 'unknown':
      return trans.__('connecting');
    case 'offline':
      return trans.__('server out of reach, trying again');
    case 'login':
      return trans.__('waiting for a new login');
    case 'missing':
      return trans.__('no server part');
    case 'off':
      return trans.__('switched off');
  }
}

function notSaved(failure: Error, trans: TranslationBundle): string {
  const cause = failureText(failure, trans);
  const detail = failureDetail(failure);
  const text = trans.__('not saved: %1', cause);
  return detail && detail !== cause ? `${text}. ${detail}` : text;
}

export function facts(status: IStatus, trans: TranslationBundle): IFact[] {
  const { lastSave, lastAckAt } = status;
  const list: IFact[] = [
    { label: trans.__('Journal'), value: journalFact(status, trans) }
  ];
  if (status.kept > 0) {
    list.push({
      label: trans.__('This browser'),
      value: trans._n('keeps %1 edit', 'keeps %1 edits', status.kept)
    });
  }
  list.push({
    label: trans.__('Last confirmed'),
    value: lastAckAt === null ? trans.__('nothing yet') : clockTime(lastAckAt)
  });
  if (status.mode === 'record') {
    list.push({
      label: trans.__('Collaboration'),
      value: trans.__('recorded only; saving and loading are left to it')
    });
    return list;
  }
  const file = status.isAhead
    ? trans.__('older than what you see')
    : trans.__('holds everything');
  list.push(
    {
      label: trans.__('File'),
      value: lastSave?.failure ? notSaved(lastSave.failure, trans) : file
    },
    {
      label: trans.__('Autosave'),
      value:
        status.autosaveMs === 0
          ? trans.__('off')
          : trans.__('every %1', duration(status.autosaveMs, trans))
    }
  );
  return list;
}

/** The hover text. */
export function hoverText(status: IStatus, trans: TranslationBundle): string {
  const text = describe(status, trans);
  return [
    text.protection,
    ...facts(status, trans).map(fact => `${fact.label}: ${fact.value}`),
    ...(text.advice ? [text.advice] : [])
  ].join('\n');
}

function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  text = ''
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

function problemNode(problem: IProblem, trans: TranslationBundle): HTMLElement {
  const node = element('li', 'jp-Indelible-problem');
  node.append(element('strong', '', causeOf(problem, trans)));
  const cause = causeOf(problem, trans);
  for (const line of [
    problem.message === cause ? '' : problem.message,
    problem.hint,
    problem.path ?? ''
  ]) {
    if (line) {
      node.append(element('div', '', line));
    }
  }
  return node;
}

/** The panel's content. */
export function detailsNode(
  status: IStatus,
  trans: TranslationBundle
): HTMLElement {
  const text = describe(status, trans);
  const node = element('div', 'jp-Indelible-details');
  node.dataset.level = text.level;
  node.append(element('div', 'jp-Indelible-detailsTitle', text.protection));
  if (text.advice) {
    node.append(element('p', 'jp-Indelible-detailsAdvice', text.advice));
  }
  const list = element('dl', 'jp-Indelible-facts');
  for (const fact of facts(status, trans)) {
    list.append(element('dt', '', fact.label), element('dd', '', fact.value));
  }
  node.append(list);
  if (status.problems.length > 0) {
    const problems = element('ul', 'jp-Indelible-problems');
    problems.append(
      ...status.problems.map(problem => problemNode(problem, trans))
    );
    node.append(problems);
  }
  return node;
}
