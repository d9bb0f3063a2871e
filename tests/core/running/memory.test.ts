/** A process that was busy and has time again gives its memory back. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

test('a heap of garbage is given back by whoever has nothing to do', () => {
  const module = fileURLToPath(new URL('../../../dist/src/core/running/memory.js', import.meta.url));
  // Objects that have grown old before they are garbage: what V8 leaves lying while nothing is asked of it.
  const program = `
    import { giveMemoryBack } from ${JSON.stringify(module)};
    let kept = [];
    for (let at = 0; at < 1_500_000; at += 1) kept.push({ at, text: 'word ' + at });
    giveMemoryBack();
    const much = process.memoryUsage().heapTotal;
    kept = undefined;
    setTimeout(() => process.stdout.write(JSON.stringify([much, process.memoryUsage().heapTotal])), 12_000);
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  const [much = 0, after = 0] = JSON.parse(stdout) as number[];
  expect(much).toBeGreaterThan(100 * 1024 * 1024);
  expect(after).toBeLessThan(much / 2);
}, 60_000);
