/** `npm run conformance`: recognises the suite in a folder, runs it against a gateway, and says what came of it. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

import { openAiDocument } from './openai_document.js';
import { openAiPython } from './openai_python.js';
import { openResponses } from './open_responses.js';
import { report, type Suite } from './suite.js';
import { vllm } from './vllm.js';

const SUITES: readonly Suite[] = [openResponses, vllm, openAiDocument, openAiPython];

const [flag, given, ...more] = process.argv.slice(2);
if (flag !== '--suite' || given === undefined)
  refuse('usage: npm run conformance -- --suite PATH, where PATH is a checkout of a suite.');
const path = resolve(process.env['INIT_CWD'] ?? '.', given);
if (!existsSync(path)) refuse(`${path} does not exist.`);
const suite = SUITES.find((each) => each.recognises(path));
if (suite === undefined)
  refuse(
    `${path} is no suite that is known: ` +
      `${SUITES.map(({ name, mark }) => `${name} (a folder with ${mark})`).join(', ')}.`,
  );
const cases = await suite.run(path, more);
console.log(report(suite, cases));
process.exit(cases.length === 0 || cases.some(({ status }) => status === 'failed') ? 1 : 0);

function refuse(why: string): never {
  console.error(why);
  process.exit(2);
}
