/** Paths of an installation: the package root, the Python of its environment, the packaged model. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Config } from '../core/config.js';
import { operatorError } from '../core/errors.js';
import { installedWith } from '../core/running/installed.js';

/** The folder that holds package.json. */
const ROOT = installedWith(
  ['package.json', 'migrations'],
  'this installation is incomplete: package.json and migrations/ are missing',
);

export const VERSION = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;

export const TEMPLATE = join(ROOT, 'trainer', 'templates', 'smollm2-tools.jinja');

/** Why nothing here can train: what is installed as a package has no trainer, which is a checkout's alone. */
export const UNTRAINABLE: string | undefined = existsSync(join(ROOT, 'trainer', 'pyproject.toml'))
  ? undefined
  : 'the installed package has no trainer, which is in Python: name a running engine with --engine URL to serve ' +
    'without learning, or learn from a checkout of the repository, where "npm start" sets the trainer up';

/** Interpreter of the trainer's environment. Throws an operator error where there is none. */
export function python(): string {
  if (UNTRAINABLE !== undefined) throw operatorError(UNTRAINABLE);
  const path = join(ROOT, '.venv', 'bin', 'python');
  if (!existsSync(path))
    throw operatorError(
      `the Python environment is missing (${path}); run "npm start" once, it installs it, or ` +
        'name a running engine with --engine URL',
    );
  return path;
}

/** The model folder to serve: the configured one, or the packaged one that set-up converted. */
export function modelFolder(config: Config): string {
  const path = config['model.path'] ?? join(ROOT, '.gyre', 'models', 'smollm2-135m-instruct');
  if (!existsSync(join(path, 'config.json')))
    throw operatorError(
      `there is no model in "${path}"; run "npm start" once, it converts the packaged one, or set model.path`,
    );
  return path;
}

/** Throws an operator error, before anything is opened, where a trainer is to be started and cannot be. */
export function refuseUntrainable(config: Config, trainerUrl: string | undefined): void {
  if (config['engine.url'] !== undefined || trainerUrl !== undefined) return;
  python();
  modelFolder(config);
}
