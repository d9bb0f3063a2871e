/** Makes the log: waves of conversations side by side, and after each wave what the learning clock makes of it. */
import { newId } from '../../src/core/ids.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import type { Opening } from '../../src/core/log.js';
import type { AssistantMessage, Message } from '../../src/core/message.js';
import { addUsage, NO_USAGE, type Usage } from '../../src/core/policy.js';
import type { Store } from '../../src/store/file/db.js';
import { addKey } from '../../src/store/keys/keys.js';
import { openLog } from '../../src/store/log/log.js';
import { removeTrajectory, withdrawResponse } from '../../src/store/read/remove.js';
import { Random } from '../chaos/random.js';
import { Context, shapeOf, Words } from './conversation.js';
import { Learning, type Taken } from './learning.js';

export interface Growth {
  readonly steps: number;
  readonly seed: number;
  readonly note: (text: string) => void;
}

/** Conversations of a wave: as many rows are committed at once. */
const WIDTH = 500;
/** Two years, so that age means something. */
const SPAN_MS = 730 * 86_400_000;
const SYSTEMS = ['You are a helpful assistant.', 'Answer briefly.', 'You write code.'];

interface Conversation {
  readonly keyId: string;
  readonly consent: boolean;
  readonly upstream: boolean;
  readonly calls: readonly number[];
  readonly context: Context;
  messages: readonly Message[];
}

export async function grow(store: Store, { steps: wanted, seed, note }: Growth): Promise<void> {
  const { sqlite, db } = store;
  // Made in one go: whoever stops it begins again.
  sqlite.pragma('synchronous = OFF');
  sqlite.pragma('wal_autocheckpoint = 100000');
  sqlite.pragma('cache_size = -400000');
  const random = new Random(seed);
  const words = new Words(random);
  const end = Date.now();
  let at = end - SPAN_MS;
  const keyIds = ['ada', 'bob', 'cyd', 'dan'].map((name) => addKey(db, { name, at, train: name !== 'dan' }).key.id);
  const learning = new Learning(db, random, words);
  let failed: unknown;
  const log = openLog(store, { answers: false, now: () => at, failed: (reason) => (failed ??= reason) });
  let made = 0;

  const begun = (): Conversation => {
    const upstream = random.next() < 0.12;
    const keyId = random.of(['', ...keyIds]);
    const system = random.next() < 0.7 ? [{ role: 'system' as const, content: random.of(['', ...SYSTEMS]) }] : [];
    const consent = keyId !== keyIds[3];
    return { keyId, consent, upstream, calls: shapeOf(random), context: new Context(words, random), messages: system };
  };

  /** Answers turn `turn` of a conversation; resolves when it is committed. */
  const answer = async (conversation: Conversation, turn: number, taken: Taken[]): Promise<void> => {
    const { keyId, consent, upstream, calls, context } = conversation;
    const messages = [...conversation.messages, { role: 'user' as const, content: words.text(random, 40, 700) }];
    const opening: Opening = {
      asker: { keyId, consent },
      origin: 'live',
      responseId: newId('chatcmpl', at),
      requestId: newId('req', at),
      model: upstream ? 'someone/else' : 'gyre',
      ...(upstream ? { upstream: 'upstream.example else' } : { templateHash: 'g1:template' }),
      messages,
      at,
    };
    // Without a redactor or another thread it is no promise.
    const recording = log.open(opening);
    let state = recording.messages;
    let usage: Usage = NO_USAGE;
    let told: AssistantMessage = { role: 'assistant', content: '' };
    const kept: Promise<boolean>[] = [];
    const count = calls[turn] ?? 1;
    for (let call = 0; call < count; call += 1) {
      const version = upstream ? undefined : learning.version;
      const { step, turn: said } = context.step(newId('step', at), state, { at, tools: call < count - 1, version });
      if (said.role === 'assistant' && said.tool_calls === undefined) told = said;
      kept.push(recording.step(step, told));
      state = [...state, ...step.appended];
      usage = addUsage(usage, step.action?.usage ?? NO_USAGE);
      if (consent && !upstream) taken.push({ stepId: step.id, prompt: [...(step.action?.promptTokenIds ?? [])] });
    }
    kept.push(
      recording.finish({
        outcome: 'completed',
        stopReason: 'stop',
        usage,
        toolUse: { requested: count - 1, executed: count - 1, by_tool: count > 1 ? { calculator: count - 1 } : {} },
      }),
    );
    made += count;
    conversation.messages = [...messages, told];
    if (!(await Promise.all(kept)).every(Boolean)) throw new Error(`the log did not keep a step: ${String(failed)}`);
    if (random.next() < 0.01) learning.feedback(opening.responseId, keyId, at);
    else if (random.next() < 0.0002) withdrawResponse(db, opening.responseId, keyId, at);
    else if (turn === calls.length - 1 && random.next() < 0.0001)
      removeTrajectory(db, GYRE_POLICY, recording.trajectoryId, keyId, at);
  };

  for (let said = 0; made < wanted;) {
    at = Math.round(end - SPAN_MS * (1 - made / wanted));
    const taken: Taken[] = [];
    let open = Array.from({ length: WIDTH }, begun);
    for (let turn = 0; open.length > 0; turn += 1) {
      await Promise.all(open.map((conversation) => answer(conversation, turn, taken)));
      open = open.filter(({ calls }) => turn + 1 < calls.length);
      at += 60;
    }
    learning.wave(taken, at, made / wanted);
    if (made - said < 20_000) continue;
    note(`${made} steps`);
    said = made;
  }
  await log.flush();
  sqlite.pragma('wal_checkpoint(TRUNCATE)');
}
