/**
 * The models of openai-python (github.com/openai/openai-python), strict: every answer and every event that the tests of
 * this checkout get must be what the library says it returns, without any of its leniency.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { python, SHIMS } from './environment.js';
import { withoutGaps } from './gaps.js';
import { casesOf, type Judged, nameOf, recordedBy } from './recorded.js';
import type { Suite } from './suite.js';

/** A checkout, or a folder where the library is installed. */
const PLACES = ['src', '.'];
const MARK = join('openai', 'types', 'responses');

export const openAiPython: Suite = {
  name: "openai-python's models",
  mark: join('src', MARK),
  recognises: (path) => PLACES.some((place) => existsSync(join(path, place, MARK))),
  async run(path, more) {
    const { said, gaps } = withoutGaps(await recordedBy(more));
    const library = PLACES.map((place) => join(path, place)).find((place) => existsSync(join(place, MARK))) ?? path;
    const judge = spawn(python(), [join(SHIMS, 'openai_models.py'), library], { stdio: ['pipe', 'pipe', 'inherit'] });
    judge.stdin.end(said.map((each) => `${JSON.stringify(each)}\n`).join(''));
    const [lines] = await Promise.all([text(judge.stdout), once(judge, 'exit')]);
    const judged = lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly route: string | null; readonly faults: string });
    if (judged.length !== said.length) throw new Error('the judge in Python ended early');
    const cases = casesOf(
      said.flatMap((each, at): Judged[] => {
        const { route, faults } = judged[at] ?? { route: null, faults: '' };
        return route === null ? [] : [{ name: nameOf(each, route), faults, asked: each.asked }];
      }),
    );
    return [...cases, ...gaps];
  },
};
