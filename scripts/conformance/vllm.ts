/**
 * vLLM's own tests of its entrypoints (github.com/vllm-project/vllm, tests/entrypoints): those that talk to a server
 * talk to a gateway instead. They are copied beside, with the names of their models made ours; nothing else is changed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { python, SHIMS } from './environment.js';
import { startScripted } from './gateway.js';
import type { Case, Suite } from './suite.js';

const ENTRYPOINTS = join('tests', 'entrypoints');
/** The tests of chat, function calling, responses and messages that send requests. */
const FILES = [
  'conftest.py',
  'openai/chat_completion/test_chat.py',
  'openai/chat_completion/test_chat_completion.py',
  'openai/chat_completion/test_completion_with_function_calling.py',
  'openai/chat_completion/test_chat_logit_bias_validation.py',
  'openai/chat_completion/test_chat_echo.py',
  'openai/chat_completion/test_enable_force_include_usage.py',
  'openai/chat_completion/test_include_reasoning.py',
  'openai/responses/conftest.py',
  'openai/responses/test_basic.py',
  'openai/responses/test_function_call.py',
  'openai/responses/test_simple.py',
  'openai/responses/test_stateful.py',
  'openai/responses/test_structured_output.py',
  'openai/responses/test_namespace_tool_separator.py',
  'anthropic/test_messages.py',
];
const THEIR_MODELS = /"(?:(?:Qwen|HuggingFaceH4|google|facebook)\/|claude-)[\w.-]+"/g;

export const vllm: Suite = {
  name: "vLLM's entrypoint tests",
  mark: join(ENTRYPOINTS, 'openai'),
  recognises: (path) => existsSync(join(path, ENTRYPOINTS, 'openai')),
  async run(path, more) {
    const folder = mkdtempSync(join(tmpdir(), 'gyre-vllm-tests-'));
    const gateway = await startScripted({ reasons: true });
    try {
      copy(path, folder);
      const report = join(folder, 'report.xml');
      const child = spawn(
        python(),
        // Their retries hide nothing here, since the engine is a script.
        ['-m', 'pytest', '-q', '-p', 'vllm_shim', '--asyncio-mode=auto', `--junitxml=${report}`, '--tb=short', ...more],
        {
          cwd: folder,
          env: { ...process.env, PYTHONPATH: `${SHIMS}:${folder}`, GYRE_SUITE_URL: gateway.url },
          stdio: ['ignore', more.length > 0 ? 'inherit' : 'ignore', 'inherit'],
        },
      );
      await once(child, 'exit');
      return casesOf(readFileSync(report, 'utf8'));
    } finally {
      await gateway.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function copy(path: string, folder: string): void {
  for (const file of FILES.filter((each) => existsSync(join(path, ENTRYPOINTS, each)))) {
    const to = join(folder, ENTRYPOINTS, file);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, readFileSync(join(path, ENTRYPOINTS, file), 'utf8').replaceAll(THEIR_MODELS, '"gyre"'));
  }
  // Each of their folders is a package.
  for (const at of ['tests', 'tests/entrypoints', ...FILES.map((file) => dirname(join(ENTRYPOINTS, file)))])
    if (existsSync(join(folder, at))) writeFileSync(join(folder, at, '__init__.py'), '');
}

function casesOf(xml: string): Case[] {
  return [...xml.matchAll(/<testcase classname="([^"]*)" name="([^"]*)"[^>]*?(?:\/>|>([^]*?)<\/testcase>)/g)].map(
    ([, file = '', test = '', inside = '']) => {
      const name = unescaped(`${file.replace('tests.entrypoints.', '')}::${test}`);
      const [, kind, message = ''] = /<(failure|error|skipped)[^>]*?message="([^"]*)"/.exec(inside) ?? [];
      const reason = unescaped(message);
      if (kind === undefined) return { name, status: 'passed' };
      return { name, status: kind === 'skipped' ? 'left out' : 'failed', reason };
    },
  );
}

const unescaped = (text: string): string =>
  text.replace(/&(?:#10|quot|apos|lt|gt|amp);/g, (entity) => ENTITIES[entity] ?? entity);
const ENTITIES: Readonly<Record<string, string>> = {
  '&#10;': ' ',
  '&quot;': '"',
  '&apos;': "'",
  '&lt;': '<',
  '&gt;': '>',
  '&amp;': '&',
};
