/** Two gateways of one data folder: a trajectory never gets two continuations of one state, the second is a branch. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';

import { assistantMessage, type Message } from '../../../src/core/message.js';
import { verify } from '../../../src/store/proof/verify.js';
import { action, answer, call, DONE, opened, opening, stepOf, temporaryFolder, user, type Opened } from '../fixture.js';

const DIST = new URL('../../../dist/', import.meta.url).href;

/** Goes on with every conversation it is given as a line, and prints which of them it continued. */
const GATEWAY = `
import { createInterface } from 'node:readline';
import { openRemoteLog } from '${DIST}src/store/beside/log.js';
import { newId } from '${DIST}src/core/ids.js';
const [folder, stays] = process.argv.slice(2);
const module = new URL('${DIST}src/store/beside/worker.js').pathname;
const log = openRemoteLog({ dataDir: folder, module, failed: (reason) => console.error(reason) });
const usage = { prompt_tokens: 0, completion_tokens: 0, cached_tokens: 0, reasoning_tokens: 0 };
const say = (line) => process.stdout.write(line + '\\n');
async function goOn(messages) {
  const now = { asker: { keyId: '', consent: true }, at: Date.now(), responseId: newId('chatcmpl'), requestId: 'r' };
  const recording = await log.open({ ...now, origin: 'live', model: 'gyre', messages });
  const turn = { role: 'assistant', content: 'so ' + process.pid };
  const timings = { startedAt: 0, totalMs: 1 };
  const action = { text: turn.content, calls: [], finishReason: 'stop', cut: false, usage, timings };
  const asked = { policyVersion: 0, messages: recording.messages, tools: [], toolChoice: 'auto', sampling: {} };
  const done = { action, calls: [], appended: [turn], outcome: 'done', startedAt: 0, ms: 1 };
  if (stays !== 'stays') {
    void recording.step({ id: newId('step'), ...asked, ...done }, turn);
    const toolUse = { requested: 0, executed: 0, by_tool: {} };
    await recording.finish({ outcome: 'completed', stopReason: 'stop', usage, toolUse });
  }
  say(recording.trajectoryId + ' ' + recording.continued);
}
await log.flush();
say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  await Promise.all(JSON.parse(line).map(goOn));
  await log.flush();
  say('failures ' + log.failures);
}
await log.close();
`;

interface Gateway {
  tell(conversations: readonly (readonly Message[])[]): void;
  /** The lines up to the next that begins with `start`. */
  until(start: string): Promise<readonly string[]>;
  kill(): Promise<void>;
}

function gateway(folder: string, stays = ''): Gateway {
  // In a file: the log's thread would inherit the options that a text on the command line needs.
  const script = join(folder, 'gateway.mjs');
  writeFileSync(script, GATEWAY);
  const child = spawn(process.execPath, [script, folder, stays], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((done) => void child.once('close', () => done()));
  return {
    tell: (conversations) => void child.stdin.write(`${JSON.stringify(conversations)}\n`),
    async until(start) {
      const before: string[] = [];
      for (;;) {
        const next = await lines.next();
        if (next.done === true) throw new Error(`it ended first: ${before.join(' ')}`);
        if (next.value.startsWith(start)) return before;
        before.push(next.value);
      }
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function begun(log: Opened['log'], count: number): Promise<Message[][]> {
  const talks: Message[][] = [];
  for (let at = 0; at < count; at += 1) {
    const question = user(`What is ${at} + 1?`);
    const { turn } = await answer(log, opening([question]), [
      { text: '', asks: [{ call: call('s1', `${at}+1`), gives: String(at + 1) }] },
      { text: `It is ${at + 1}.` },
    ]);
    talks.push([question, turn, user('And?')]);
  }
  return talks;
}

test('of two processes that go on with the same talks at once, one continues each and the other branches', async () => {
  const folder = temporaryFolder();
  const { store, log } = opened(folder);
  const talks = await begun(log, 60);
  const both = [gateway(folder), gateway(folder)];
  await Promise.all(both.map((one) => one.until('ready')));
  both[0]?.tell(talks);
  both[1]?.tell([...talks].reverse());
  const lines = (await Promise.all(both.map((one) => one.until('failures 0')))).flat();
  expect(lines).toHaveLength(120);
  const continued = lines.filter((line) => line.endsWith('true'));
  expect(new Set(continued).size).toBe(60);
  expect(continued).toHaveLength(60);
  const twice = store.sqlite
    .prepare('SELECT trajectory_id FROM steps GROUP BY trajectory_id, state_tip HAVING count(*) > 1')
    .all();
  expect(twice).toEqual([]);
  const open = new Database(join(folder, 'recordings.db'));
  expect(open.prepare('SELECT count(*) AS n FROM recordings').get()).toEqual({ n: 0 });
  open.close();
  expect(verify(store.db).problems).toEqual([]);
}, 60_000);

test('what a killed process was continuing can be continued again', async () => {
  const folder = temporaryFolder();
  const { log } = opened(folder);
  const [talk = []] = await begun(log, 1);
  const other = gateway(folder, 'stays');
  await other.until('ready');
  other.tell([talk]);
  expect((await other.until('failures 0'))[0]).toMatch(/ true$/);
  expect(log.open(opening(talk)).continued).toBe(false);
  await other.kill();
  expect(log.open(opening(talk)).continued).toBe(true);
}, 60_000);

test('a response that another log is still recording is no place to continue from', async () => {
  const folder = temporaryFolder();
  const one = opened(folder);
  const two = opened(folder);
  const recording = one.log.open(opening([user('hi')]));
  const step = stepOf(recording.messages, action('Let me see. '));
  await recording.step(step, assistantMessage('Let me see. ', []));
  const follow = [user('hi'), assistantMessage('Let me see. ', []), user('And?')];
  expect(two.log.open(opening(follow)).continued).toBe(false);
  await recording.finish(DONE);
  expect(two.log.open(opening(follow)).continued).toBe(true);
  expect(one.log.open(opening(follow)).continued).toBe(false);
});

test('a follow-up that could not be written holds nothing back', async () => {
  const folder = temporaryFolder();
  const one = opened(folder);
  const two = opened(folder);
  const [talk = []] = await begun(one.log, 1);
  const recording = one.log.open(opening(talk));
  expect(recording.continued).toBe(true);
  await recording.finish(DONE);
  await answer(one.log, opening([user('something else')]), [{ text: 'yes' }]);
  expect(two.log.open(opening(talk)).continued).toBe(true);
});
