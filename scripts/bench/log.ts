/**
 * What logging costs the main thread: CPU time to open, log and finish a plain one-step request of two
 * messages and thirty tokens, with 1 and with 16 requests to a commit, and a follow-up at depth 25.
 * `node scripts/bench.mjs log [requests]`. Prints a line per case; changes nothing outside a temporary folder.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { newId } from '../../src/core/ids.js';
import type { Opening } from '../../src/core/log.js';
import { assistantMessage, type Message } from '../../src/core/message.js';
import { NO_USAGE } from '../../src/core/policy.js';
import { openStore } from '../../src/store/file/db.js';
import type { LocalLog } from '../../src/store/log/local.js';
import { openLog } from '../../src/store/log/log.js';

const TOOLS = [
  {
    name: 'calculator',
    description: 'Evaluates one arithmetic expression.',
    parameters: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
  },
];
/** A page of the write-ahead log with its head. */
const PAGE_BYTES = 4_096 + 24;
const SYSTEM: Message = { role: 'system', content: 'You are a helpful assistant. Use the calculator for arithmetic.' };

/** Opens, logs and finishes one request; returns the answer's turn and whether all of it is committed. */
async function request(
  log: LocalLog,
  messages: readonly Message[],
  prompt: readonly number[],
  text: string,
): Promise<{ readonly turn: Message; readonly kept: boolean }> {
  const at = Date.now();
  const opening: Opening = {
    asker: { keyId: '', consent: true },
    origin: 'live',
    responseId: newId('chatcmpl', at),
    requestId: newId('req', at),
    model: 'gyre',
    messages,
    at,
  };
  const recording = log.open(opening);
  const turn = assistantMessage(text, []);
  const tokenIds = prompt.slice(0, 30);
  const step = recording.step(
    {
      id: newId('step', at),
      policyVersion: 0,
      messages: recording.messages,
      tools: TOOLS,
      toolChoice: 'auto',
      sampling: { temperature: 0.7 },
      action: {
        text,
        calls: [],
        finishReason: 'stop',
        cut: false,
        promptTokenIds: prompt,
        tokenIds,
        logprobs: tokenIds.map((id) => -id / 1e5),
        usage: { ...NO_USAGE, prompt_tokens: prompt.length, completion_tokens: 30 },
        timings: { startedAt: at, firstTokenMs: 3, totalMs: 20 },
      },
      calls: [],
      appended: [turn],
      outcome: 'done',
      startedAt: at,
      ms: 20,
    },
    turn,
  );
  const end = recording.finish({
    outcome: 'completed',
    stopReason: 'stop',
    usage: NO_USAGE,
    toolUse: { requested: 0, executed: 0, by_tool: {} },
  });
  return { turn, kept: (await Promise.all([step, end])).every(Boolean) };
}

/** Time on a processor, in user and kernel mode; of the whole process where the system does not tell threads apart. */
function mainThreadMicroseconds(): number {
  const file = `/proc/self/task/${process.pid}/schedstat`;
  if (existsSync(file)) return Number(readFileSync(file, 'utf8').split(' ')[0]) / 1_000;
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function measure(name: string, count: number, width: number, depth: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
  const store = openStore(folder);
  // Nothing is folded in meanwhile, so that the write-ahead log's length is what commits wrote.
  store.sqlite.pragma('wal_autocheckpoint = 0');
  const log = openLog(store);
  const tokens = Array.from({ length: 60 }, (_, at) => (at * 7919) % 49_000);
  let kept = 0;
  const run = async (from: number, to: number): Promise<void> => {
    for (let at = from; at < to; at += width) {
      const wave = Array.from({ length: width }, async (_, lane) => {
        let messages: Message[] = [
          SYSTEM,
          { role: 'user', content: `What is ${at + lane} times 17? Answer with one number.` },
        ];
        let prompt = tokens;
        for (let turn = 0; turn < depth; turn += 1) {
          const answer = await request(log, messages, prompt, `The result is ${(at + lane) * 17 + turn}.`);
          kept += answer.kept ? 1 : 0;
          messages = [...messages, answer.turn, { role: 'user', content: `And ${turn} more?` }];
          prompt = [...prompt, ...tokens.slice(0, 45)];
        }
      });
      await Promise.all(wave);
    }
  };
  await run(0, Math.ceil(count / 5 / depth));
  const warm = kept;
  const written = (): number => statSync(`${store.file}-wal`).size / PAGE_BYTES;
  const [before, pages] = [mainThreadMicroseconds(), written()];
  await run(count, count + Math.ceil(count / depth));
  const spent = mainThreadMicroseconds() - before;
  const requests = kept - warm;
  const perRequest = (written() - pages) / requests;
  store.sqlite.pragma('wal_checkpoint(TRUNCATE)');
  const bytes = statSync(store.file).size / kept;
  process.stdout.write(
    `${name.padEnd(34)} ${(spent / requests).toFixed(1).padStart(7)} us CPU per request, ` +
      `${bytes.toFixed(0).padStart(6)} bytes, ${perRequest.toFixed(1).padStart(5)} pages written, ` +
      `${requests} requests, ${log.failures} failures\n`,
  );
  store.close();
  rmSync(folder, { recursive: true });
}

const count = Number(process.argv[2] ?? 20_000);
await measure('plain, one request a commit', count, 1, 1);
await measure('plain, 16 requests a commit', count, 16, 1);
await measure('25 turns, 16 conversations at once', count, 16, 25);
