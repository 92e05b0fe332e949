export function parsePo(text: string): [string, string[]][];
export function poToJson(
  text: string
): Record<string, Record<string, string> | string[]>;
