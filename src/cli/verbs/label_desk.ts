/** The queue of labels as somebody at a terminal goes through it: a step is shown, a key is a label, and the next. */
import type { LabelView, NewLabel, QueuedStep } from '../../core/judging/labels.js';
import { type Message, textOf } from '../../core/message.js';
import { shownLines } from '../../core/text/shown.js';

/** Messages that are shown, the newest of a conversation, and characters of each. */
const MESSAGES = 12;
const CHARS = 2_000;

const KEYS = 'g good  b bad  n cannot say  s skip  c comment  u undo  q quit';

/** What it stands on: rows, and a screen. */
interface Desk {
  next(): readonly QueuedStep[];
  label(label: NewLabel): LabelView;
  takeBack(id: string): void;
  write(text: string): void;
}

interface Done {
  readonly good: number;
  readonly bad: number;
  readonly unsure: number;
  readonly skipped: number;
  readonly taken_back: number;
}

/** Until somebody quits, so many labels are given, or there is nothing left that was not skipped. */
export async function answerQueue(desk: Desk, keys: AsyncIterator<string>, most: number): Promise<Done> {
  const counts = { good: 0, bad: 0, unsure: 0, skipped: 0, taken_back: 0 };
  const seen = new Set<string>();
  const past: { readonly step: QueuedStep; readonly label: string; readonly word: 'good' | 'bad' | 'unsure' }[] = [];
  let waiting: QueuedStep[] = [];
  while (past.length < most) {
    if (waiting.length === 0) waiting = desk.next().filter(({ step_id: id }) => !seen.has(id));
    const step = waiting.shift();
    if (step === undefined) {
      desk.write('nothing is left to label\n');
      break;
    }
    seen.add(step.step_id);
    desk.write(shownStep(step));
    const answer = await answered(desk, keys);
    if (answer.key === 'q') break;
    if (answer.key === 's') counts.skipped += 1;
    else if (answer.key === 'u') {
      waiting.unshift(step);
      const last = past.pop();
      if (last === undefined) desk.write('there is nothing to take back\n');
      else {
        desk.takeBack(last.label);
        counts[last.word] -= 1;
        counts.taken_back += 1;
        waiting.unshift(last.step);
        desk.write(`taken back: ${last.word}\n`);
      }
    } else {
      const word = WORDS[answer.key];
      const label: NewLabel = {
        step_id: step.step_id,
        good: word === 'unsure' ? null : word === 'good',
        ...(answer.comment === '' ? {} : { comment: answer.comment }),
      };
      past.push({ step, label: desk.label(label).id, word });
      counts[word] += 1;
      desk.write(`${word === 'unsure' ? 'cannot say' : word}\n\n`);
    }
  }
  return counts;
}

const WORDS = { g: 'good', b: 'bad', n: 'unsure' } as const;
type Key = keyof typeof WORDS | 's' | 'u' | 'q';

/** The key that ends a step, with what was written before it. Whoever has gone away has quit. */
async function answered(
  desk: Desk,
  keys: AsyncIterator<string>,
): Promise<{ readonly key: Key; readonly comment: string }> {
  let comment = '';
  for (;;) {
    desk.write(`${KEYS} > `);
    const next = await keys.next();
    const key =
      next.done === true || next.value === '\u0003' || next.value === '\u0004' ? 'q' : next.value.toLowerCase();
    if (key === 'c') comment = await lineOf(desk, keys);
    else if (isKey(key)) return { key, comment };
    desk.write('\n');
  }
}

function isKey(key: string): key is Key {
  return key in WORDS || key === 's' || key === 'u' || key === 'q';
}

/** Up to the end of the line: a terminal in raw mode leaves that to us, and how it is mended too. */
async function lineOf(desk: Desk, keys: AsyncIterator<string>): Promise<string> {
  desk.write('\ncomment: ');
  let line = '';
  for (;;) {
    const next = await keys.next();
    if (next.done === true || next.value === '\r' || next.value === '\n') break;
    if (next.value === '\u007f' || next.value === '\b') {
      if (line !== '') desk.write('\b \b');
      line = line.slice(0, -1);
    } else if (next.value >= ' ') {
      line += next.value;
      desk.write(next.value);
    }
  }
  desk.write('\n');
  return line.trim();
}

function shownStep({ step_id: id, index, messages, tools, action, after }: QueuedStep): string {
  const left = messages.length - MESSAGES;
  return [
    `--- step ${index} (${id})`,
    ...(left > 0 ? [`(${left} earlier messages)`] : []),
    ...messages.slice(-MESSAGES).map((message) => line(message.role, message)),
    tools.length === 0 ? 'no tools' : `tools: ${tools.map(({ name }) => name).join(', ')}`,
    line('>>> action', action),
    ...after.map((message) => line(`after, ${message.role}`, message)),
    '',
  ].join('\n');
}

function line(who: string, message: Message): string {
  const text = textOf(message.content);
  const cut = text.length > CHARS ? `${text.slice(0, CHARS)} (and ${text.length - CHARS} characters more)` : text;
  const calls = message.role === 'assistant' ? (message.tool_calls ?? []) : [];
  const said = [cut, ...calls.map(({ function: called }) => `${called.name}(${called.arguments})`)];
  return shownLines(`${who}: ${said.filter((part) => part !== '').join('\n')}`);
}

/** Every character as it is typed, where it is a terminal without waiting for the end of the line. */
export async function* keysOf(input: NodeJS.ReadStream): AsyncGenerator<string, undefined> {
  const raw = input.isTTY;
  if (raw) input.setRawMode(true);
  try {
    input.setEncoding('utf8');
    for await (const chunk of input) for (const char of chunk as string) yield char;
  } finally {
    if (raw) input.setRawMode(false);
  }
  return undefined;
}
