import { describe, expect, it } from 'vitest';

import { FILES, read } from './tree.js';

const texts = FILES.filter(
  (file) => !/\.(png|ico|safetensors|sqlite|bin)$/.test(file) && file !== 'package-lock.json' && file !== 'LICENSE',
);

describe('the repository', () => {
  it('has the lock of both languages', () => {
    expect(FILES).toContain('package-lock.json');
    expect(FILES).toContain('trainer/requirements.lock');
    const pins = read('trainer/requirements.lock')
      .split('\n')
      .filter((line) => /^[A-Za-z0-9]/.test(line));
    expect(pins.length).toBeGreaterThan(100);
    expect(pins.filter((line) => !/^[A-Za-z0-9._-]+==[^\s=]+/.test(line))).toEqual([]);
  });

  it('pins every package of an environment of its own', () => {
    for (const file of FILES.filter((name) => /requirements[^/]*\.lock$/.test(name))) {
      const lines = read(file)
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('    --hash='));
      expect(
        lines.filter((line) => !/^[A-Za-z0-9._-]+==[^\s=]+/.test(line)),
        file,
      ).toEqual([]);
    }
  });

  it('the npm lock fits package.json', () => {
    const wanted = JSON.parse(read('package.json')) as {
      dependencies: unknown;
      devDependencies: unknown;
      version: string;
    };
    const locked = (
      JSON.parse(read('package-lock.json')) as {
        packages: Record<string, { dependencies?: unknown; devDependencies?: unknown; version?: string }>;
      }
    ).packages[''];
    expect(locked?.dependencies).toEqual(wanted.dependencies);
    expect(locked?.devDependencies).toEqual(wanted.devDependencies);
    expect(locked?.version).toBe(wanted.version);
  });

  it('one version everywhere', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(/^version = "(.*)"$/m.exec(read('trainer/pyproject.toml'))?.[1]).toBe(version);
    expect(read('CHANGELOG.md')).toContain(version);
  });

  it('names no package registry and no place of one machine', () => {
    const hosts = [
      'registry\\.npm',
      'pypi\\.org',
      'pythonhosted\\.org',
      'download\\.pytorch\\.org',
      'npmmirror',
      'huggingface\\.co',
    ];
    const places = ['/home/[a-z]', '/root/', '/work/', '/Users/', '/tmp/[a-z]', '/opt/'];
    // A longer address may hold one of these as its path; only a place at the start of a path is one.
    const pattern = new RegExp(`${hosts.join('|')}|(?<![\\w.}-])(?:${places.join('|')})`);
    const here = 'tests/guards/repository.test.ts';
    const found = texts
      .filter((file) => file !== here)
      .flatMap((file) =>
        read(file)
          .split('\n')
          .flatMap((line, at) => (pattern.test(line) ? [`${file}:${at + 1}: ${line.trim().slice(0, 120)}`] : [])),
      );
    expect(found).toEqual([]);
  });

  it('holds nothing large', () => {
    expect(texts.filter((file) => read(file).length > 400_000)).toEqual([]);
  });

  it('every TypeScript test states what it shows: no skipped, no only', () => {
    const wrong = FILES.filter(
      (file) =>
        /^tests\/.*\.test\.ts$/.test(file) &&
        /\b(?:it|test|describe)\.(?:only|skip|todo)\b/.test(read(file).replace(/skipIf/g, '')),
    );
    expect(wrong.filter((file) => file !== 'tests/guards/repository.test.ts')).toEqual([]);
  });
});
