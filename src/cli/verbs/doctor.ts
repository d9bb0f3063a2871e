/**
 * `gyre doctor`: looks at everything a working installation needs and says what is wrong and what to do. Changes
 * nothing.
 */
import { execFile } from 'node:child_process';
import { existsSync, statfsSync, statSync } from 'node:fs';
import { totalmem } from 'node:os';
import { promisify } from 'node:util';

import type { Config } from '../../core/config.js';
import { childEnvironment } from '../../run/child_environment.js';
import { reasonOf } from '../../core/errors.js';
import { openStore } from '../../store/file/db.js';
import { modelFolder, python, UNTRAINABLE, VERSION } from '../../run/machine.js';
import { runningGateway } from '../../run/presence.js';
import { table, type Printer } from '../../run/print.js';

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

const GIB = 1024 ** 3;

/** True when nothing is wrong. */
export async function doctorVerb(config: Config, printer: Printer): Promise<boolean> {
  const findings: Finding[] = [
    { what: 'gyre', ok: true, detail: VERSION },
    {
      what: 'node',
      ok: Number(process.versions.node.split('.')[0]) >= 20,
      detail: `${process.version} (20 or newer is needed)`,
    },
    { what: 'memory', ok: totalmem() >= 6 * GIB, detail: `${(totalmem() / GIB).toFixed(1)} GiB (6 are needed)` },
    check('data folder', () => {
      openStore(config.data).close();
      const { bavail, bsize } = statfsSync(config.data);
      if (bavail * bsize < GIB)
        throw new Error(`only ${((bavail * bsize) / GIB).toFixed(2)} GiB are free in ${config.data}; make room`);
      return `${config.data}, ${((bavail * bsize) / GIB).toFixed(1)} GiB free`;
    }),
    check('privacy', () => {
      const mode = statSync(config.data).mode & 0o777;
      if ((mode & 0o077) !== 0)
        throw new Error(
          `other users may look into ${config.data} (mode ${mode.toString(8)}), which holds every conversation; ` +
            `mend it with: chmod -R go= ${quotedForShell(config.data)}`,
        );
      return 'the data folder is for this user alone';
    }),
    check('gateway', () => {
      const gateway = runningGateway(config.data);
      return gateway === undefined ? 'not running' : `${gateway.url ?? 'it does not listen'}, process ${gateway.pid}`;
    }),
    ...(config['engine.url'] === undefined
      ? await ownEngine(config)
      : [await reach('engine', `${config['engine.url']}/v1/models`, config['engine.api_key'])]),
  ];
  printer.result(findings, table(findings.map(({ what, ok, detail }) => [ok ? 'ok' : 'WRONG', what, detail])));
  return findings.every((finding) => finding.ok);
}

async function ownEngine(config: Config): Promise<Finding[]> {
  if (UNTRAINABLE !== undefined) return [{ what: 'trainer', ok: false, detail: UNTRAINABLE }];
  const environment = check('python environment', python);
  const model = check('model', () => modelFolder(config));
  if (!environment.ok) return [environment, model];
  try {
    const { stdout } = await promisify(execFile)(
      environment.detail,
      [
        '-c',
        'import importlib.metadata as m; print(*[f"{n} {m.version(n)}" for n in ("torch", ' +
          '"transformers", "peft", "gyre-trainer")], sep=", ")',
      ],
      { timeout: 30_000, env: childEnvironment(process.env) },
    );
    return [environment, { what: 'python packages', ok: true, detail: stdout.trim() }, model];
  } catch (thrown) {
    return [
      environment,
      {
        what: 'python packages',
        ok: false,
        detail: `${reasonOf(thrown).split('\n').at(-2) ?? 'broken'}; delete .venv and run "npm start"`,
      },
      model,
    ];
  }
}

async function reach(what: string, url: string, apiKey?: string): Promise<Finding> {
  try {
    const { status } = await fetch(url, {
      signal: AbortSignal.timeout(3_000),
      ...(apiKey === undefined ? {} : { headers: { authorization: `Bearer ${apiKey}` } }),
    });
    return { what, ok: status < 500, detail: `${url} answered ${status}` };
  } catch (thrown) {
    return { what, ok: false, detail: `${url} cannot be reached: ${reasonOf(thrown)}` };
  }
}

function quotedForShell(path: string): string {
  return /^[\w/.+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function check(what: string, probe: () => string): Finding {
  try {
    const detail = probe();
    return { what, ok: !detail.startsWith('/') || existsSync(detail.split(',')[0] ?? detail), detail };
  } catch (thrown) {
    return { what, ok: false, detail: reasonOf(thrown) };
  }
}
