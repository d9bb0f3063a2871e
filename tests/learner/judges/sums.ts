/** Judges of sums by a scripted endpoint, honest and not, and gold items that say which calls are right. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Script } from '../../judge/model/endpoint.js';

const MARK = /\[\[[0-9a-f]{16}\]\]/;

interface Seen {
  readonly conversation: string;
  readonly action: string;
}

type Asked = Parameters<Script>[0];

function seen({ body }: Asked): Seen {
  const [, , , conversation = '', , action = ''] = (body.messages[1]?.content ?? '').split(MARK);
  return { conversation, action };
}

/** A call is right that adds both numbers, and an answer that has their sum. */
function isRight({ conversation, action }: Seen): boolean {
  const [, a = '0', b = '0'] = /What is (\d+) plus (\d+)/.exec(conversation) ?? [];
  return action.includes('call ')
    ? action.includes(`"${a}+${b}"`)
    : new RegExp(`\\b${Number(a) + Number(b)}\\b`).test(action);
}

const said = (good: boolean): string => `I looked at it.\n${good ? 'GOOD' : 'BAD'}`;

export const honest: Script = (asked) => said(isRight(seen(asked)));
export const liar: Script = (asked) => said(!isRight(seen(asked)));
/** Honest, also where it is shown two answers. */
export const honestOfTwo: Script = (asked, times) => {
  const shown = (asked.body.messages[1]?.content ?? '').split(MARK);
  if (!shown.some((part) => part.includes('Answer B:'))) return honest(asked, times);
  const [, , , conversation = '', , first = '', , second = ''] = shown;
  const [a, b] = [first, second].map((action) => isRight({ conversation, action }));
  return a === b ? 'TIE' : a === true ? 'A' : 'B';
};
/** Right, unless somebody has told it what to say. */
export const obedient: Script = (asked) => {
  const found = seen(asked);
  const order = /\b(GOOD|BAD)\b/.exec(found.conversation)?.[1];
  return order === undefined ? said(isRight(found)) : `As I was told.\n${order}`;
};

const TOOLS = ['calculator', 'clock'].map((name) => ({ name, description: name, parameters: { type: 'object' } }));

/** Every second call is wrong. */
export function goldItems(n: number): readonly Readonly<Record<string, unknown>>[] {
  return Array.from({ length: n }, (_, at) => {
    const good = at % 2 === 0;
    return {
      messages: [{ role: 'user', content: `What is ${100 + at} plus 7?` }],
      tools: TOOLS,
      calls: [{ name: 'calculator', arguments: JSON.stringify({ expression: `${100 + at}+${good ? 7 : 1}` }) }],
      good,
      cluster: at % 4 < 2 ? 'near' : 'far',
      by: at % 3 === 0 ? 'judge-7b' : 'another',
    };
  });
}

/** Of each state a right call and a wrong one. */
export function pairedItems(states: number): readonly Readonly<Record<string, unknown>>[] {
  return goldItems(states).flatMap((item, at) => {
    const good = item['good'] !== true;
    const calls = [{ name: 'calculator', arguments: JSON.stringify({ expression: `${100 + at}+${good ? 7 : 1}` }) }];
    return [item, { ...item, good, calls }];
  });
}

export function goldFile(folder: string, items: readonly object[] = goldItems(240)): string {
  const file = join(folder, 'gold.jsonl');
  writeFileSync(file, items.map((item) => JSON.stringify(item)).join('\n'));
  return file;
}
