/** The indicator's icons: one shield, with the state drawn inside. They take their colour from the text. */
import { LabIcon } from '@jupyterlab/ui-components';

import type { Level } from './statustext';

const SHIELD =
  '<path d="M8 1.6 2.9 3.4v4.2c0 3.2 2.1 5.6 5.1 6.8 3-1.2 5.1-3.6 5.1-6.8V3.4Z" fill="none" stroke="currentColor" stroke-width="1.3" stroke-linejoin="round"/>';

function icon(name: string, inside: string): LabIcon {
  const line = `fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round"`;
  return new LabIcon({
    name: `indelible:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">${SHIELD}<path d="${inside}" ${line}/></svg>`
  });
}

export const levelIcons: Record<Level, LabIcon> = {
  protected: icon('protected', 'm5.7 8 1.7 1.7 3-3.3'),
  saving: icon('saving', 'M8 10.4V5.6M6 7.5l2-2 2 2'),
  offline: icon('offline', 'M5.7 8h4.6'),
  bad: icon('not-protected', 'M8 5.2v3M8 10.4v.1'),
  unknown: icon('connecting', 'M5.7 8h.01M8 8h.01M10.3 8h.01')
};
