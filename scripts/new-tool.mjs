// @ts-check
/**
 * `node scripts/new-tool.mjs NAME`: makes a tool that works, with its test and its lines in tools/index.ts.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const USAGE = 'node scripts/new-tool.mjs NAME [--root FOLDER]';

/** @param {string} name @returns {string} */
const creator = (name) =>
  `create${name
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')}`;

/** @param {string} name @returns {string} */
const toolFile = (name) => `/**
 * ${name}: gives back the text it gets. Say here, in one sentence, what it does, and below it what it must never do.
 */
import { z } from 'zod';

import { badRequest, quoted } from '../src/core/errors.js';
import type { Tool } from '../src/core/tool.js';

const Arguments = z.strictObject({ text: z.string() });

export function ${creator(name)}(): Tool {
  return {
    spec: {
      name: '${name}',
      description: 'Gives back the text it gets.',
      parameters: {
        type: 'object',
        properties: { text: { type: 'string', description: 'Any text.' } },
        required: ['text'],
        additionalProperties: false,
      },
    },
    // False for a tool that has an effect, or whose answer changes: a rule judge evaluates pure tools.
    pure: true,
    run: (args, signal) => Promise.resolve().then(() => {
      const parsed = Arguments.safeParse(args);
      if (!parsed.success) throw badRequest(\`${name} takes {"text": "some text"}, not \${quoted(args)}\`, 'text');
      // Whatever takes time must end when this signal does.
      signal.throwIfAborted();
      return parsed.data.text;
    }),
  };
}
`;

/** @param {string} name @returns {string} */
const testFile = (name) => `import { expect, it } from 'vitest';

import { ${creator(name)} } from '../../tools/${name}.js';

const tool = ${creator(name)}();
const never = new AbortController().signal;

it('gives back the text it gets', async () => {
  expect(await tool.run({ text: 'hello' }, never)).toBe('hello');
});

it.each([[{}], [{ text: 1 }], [{ text: 'x', more: 1 }], ['x']])('refuses the arguments %j', async (args) => {
  await expect(tool.run(args, never)).rejects.toThrow('${name} takes {"text"');
});

it('does nothing for a caller that has gone', async () => {
  await expect(tool.run({ text: 'hello' }, AbortSignal.abort())).rejects.toThrow();
});
`;

/**
 * tools/index.ts with one more import and one more name in its list, both as Prettier has them.
 * @param {string} index
 * @param {string} name
 * @returns {string}
 */
function registered(index, name) {
  const last = [...index.matchAll(/^import \{ create\w+ \} from '\.\/\w+\.js';\n/gm)].at(-1);
  const list = /^const TOOLS: readonly Create\[\] = \[([^\]]*)\];\n/m.exec(index);
  if (last === undefined || list === null)
    throw new Error('tools/index.ts has no list "TOOLS" of tools any more: add the new one by hand');
  const [afterImports, afterList] = [last.index + last[0].length, list.index + list[0].length];
  const names = [...(list[1] ?? '').matchAll(/\w+/g)].map(([each]) => each).concat(creator(name));
  const onOneLine = `const TOOLS: readonly Create[] = [${names.join(', ')}];\n`;
  const longer =
    onOneLine.length > 121
      ? `const TOOLS: readonly Create[] = [\n${names.map((each) => `  ${each},\n`).join('')}];\n`
      : onOneLine;
  const imported = `import { ${creator(name)} } from './${name}.js';\n`;
  const between = index.slice(afterImports, list.index);
  return index.slice(0, afterImports) + imported + between + longer + index.slice(afterList);
}

/** @param {readonly string[]} args @returns {string[]} paths that were written */
function main(args) {
  const at = args.indexOf('--root');
  const root = at === -1 ? dirname(dirname(fileURLToPath(import.meta.url))) : (args[at + 1] ?? '');
  const [name, ...rest] = at === -1 ? args : args.filter((_, place) => place !== at && place !== at + 1);
  if (name === undefined || rest.length > 0) throw new Error(`one name is needed: ${USAGE}`);
  if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name) || name.length > 64)
    throw new Error(
      `"${name}" cannot be a tool's name: at most 64 lower-case letters, digits and single "_", ` +
        'a letter first, for example word_count',
    );
  const index = join(root, 'tools', 'index.ts');
  const files = [join(root, 'tools', `${name}.ts`), join(root, 'tests', 'tools', `${name}.test.ts`)];
  for (const file of files) if (existsSync(file)) throw new Error(`there is ${file} already; choose another name`);
  const list = registered(readFileSync(index, 'utf8'), name);
  writeFileSync(files[0] ?? '', toolFile(name), { flag: 'wx' });
  writeFileSync(files[1] ?? '', testFile(name), { flag: 'wx' });
  writeFileSync(index, list);
  return [...files, index];
}

try {
  const [tool, test, index] = main(process.argv.slice(2));
  console.log(
    `${tool}\n${test}\n${index}: an import, and a name in its list\n` +
      `Now make it do something, run "npx vitest run ${test}", and "node scripts/tree.mjs" for docs/files.md.`,
  );
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : String(thrown));
  process.exitCode = 1;
}
