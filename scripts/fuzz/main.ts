/**
 * `npm run fuzz`: schemathesis, in a Python environment of its own, sends a real gateway requests that its
 * /openapi.json allows, and many that it does not. Engine and upstreams are scripted and the trainer trains nothing; at
 * the end no answer may have been a fault, and `gyre verify` must find the log whole.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { startEngine, type EngineRequest, type Reply } from '../../tests/fakes/engine.js';
import { startTrainer } from '../../tests/fakes/trainer.js';
import { startGateway, verb } from '../demo/gateway.js';
import { type Answers, answersOf } from './answers.js';
import { inEnvironment } from '../python/environment.js';
import { seed, startUpstreams } from './seed.js';

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const PINS = join(ROOT, 'tests', 'clients', 'requirements-fuzz.lock');
const SETTINGS = join(ROOT, 'tests', 'clients', 'schemathesis.toml');
const ENVIRONMENT = join(ROOT, '.gyre', 'fuzz');

/** Every third conversation goes through a tool. */
function script({ body }: EngineRequest, number: number): Reply {
  // A completion has a prompt, and no messages.
  const { messages = [] } = body as Partial<typeof body>;
  const asked =
    messages.at(-1)?.role !== 'tool' &&
    (body.tools ?? []).some((tool) => tool.function.name === 'calculator') &&
    number % 3 === 0;
  return asked ? { calls: [{ name: 'calculator', arguments: '{"expression":"17*23"}' }] } : { text: 'It is 391.' };
}

/** `cwd` is where the command may leave files. */
async function codeOf(command: string, args: readonly string[], cwd: string): Promise<number> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

const binary = inEnvironment(ENVIRONMENT, PINS, 'schemathesis');
const data = mkdtempSync(join(tmpdir(), 'gyre-fuzz-'));
const engine = await startEngine({ script });
const trainer = await startTrainer(engine.url);
const upstreams = await startUpstreams(script, data);
try {
  const gateway = await startGateway(
    ['--config', upstreams.config, '--trainer', trainer.url, '--port', '0', '--data', data],
    (line) => console.log(line),
  );
  let code: number;
  let answers: Answers;
  try {
    const settings = join(data, 'schemathesis.toml');
    writeFileSync(settings, `${readFileSync(SETTINGS, 'utf8')}\n${await seed(gateway)}`);
    code = await codeOf(
      binary,
      ['--config-file', settings, 'run', `${gateway.url}/openapi.json`, ...process.argv.slice(2)],
      data,
    );
    answers = await answersOf(gateway);
  } finally {
    await gateway.stop();
  }
  await verb(['verify', '--data', data]);
  for (const line of answers.lines) console.log(line);
  console.log(
    `${answers.total} answers, ${answers.faults} of them with a status of 500 or more; ${engine.requests.length} ` +
      `policy calls, ${answers.unlogged} of which could not be logged, and the log verifies`,
  );
  process.exitCode = answers.faults === 0 && answers.unlogged === 0 ? code : 1;
} finally {
  await engine.close();
  await trainer.close();
  await upstreams.close();
  rmSync(data, { recursive: true, force: true });
}
