/** Clients that leave in the middle of an answer, and for how many of them the engine's connection is closed too. */
import { startRole } from './processes.js';
import type { Subject } from './question.js';

const TIMES = 10;

export interface Cancels {
  /** "10/10" */
  readonly stream: string;
  readonly whole: string;
}

export async function cancelsOf(subject: Subject, data: string): Promise<Cancels> {
  return {
    stream: await reached(subject, `${data}-stream`, true),
    whole: await reached(subject, `${data}-whole`, false),
  };
}

/**
 * Each client leaves after 200 ms of a reply that takes two seconds; a second later the engine is asked how many
 * connections it lost in the middle.
 */
async function reached(subject: Subject, data: string, stream: boolean): Promise<string> {
  const engine = await startRole('engine', { stream: true, writes: 32, pauseMs: 60 });
  const gateway = await subject.start(engine.url, data);
  for (let time = 0; time < TIMES; time += 1) {
    const body = JSON.stringify({
      model: subject.model,
      messages: [{ role: 'user', content: `leaves ${time}` }],
      ...(stream ? { stream: true } : {}),
    });
    await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...subject.headers(engine.url) },
      signal: AbortSignal.timeout(200),
    })
      .then((answer) => answer.text())
      .catch(() => undefined);
  }
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const noticed = (await engine.counts())?.cut ?? 0;
  await gateway.stop();
  await engine.stop();
  return `${noticed}/${TIMES}`;
}
