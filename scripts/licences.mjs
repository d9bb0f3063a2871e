// @ts-check
/**
 * `npm run licences`: the licence of every package of the locks, as it is installed, by licence; which are copyleft or
 * unknown; and which run something of their own when they are installed or when Python starts. Ends with 1 where
 * something is not in `licences.json`, the list of what somebody has looked at.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { pinsOf } from './setup/pip.mjs';
import { allowed, isCopyleft, nameOf } from './licences/spdx.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * @typedef {object} Package
 * @property {string} name
 * @property {string} version
 * @property {string} from Its lock.
 * @property {string} licence An SPDX expression, or `unknown`.
 * @property {string[]} runs What it runs by itself.
 */
/**
 * @typedef {object} Known
 * @property {string[]} allowed SPDX identifiers.
 * @property {Record<string, { licence: string, why: string }>} packages Whose metadata does not say, or not rightly, or
 *   that may be used although their licence is in no list.
 * @property {Record<string, string>} runs What packages run by themselves, and why that is all right.
 */

/** @type {Known} */
const known = JSON.parse(readFileSync(join(root, 'licences.json'), 'utf8'));
const [packages, missing] = [/** @type {Package[]} */ ([]), /** @type {string[]} */ ([])];
for (const folder of ['.', join('tests', 'clients', 'programs')]) nodePackages(folder);
pythonPackages(join('trainer', 'requirements.lock'), '.venv');
pythonPackages(join('tests', 'clients', 'requirements.lock'), '.venv-clients');
report();

/** @param {string} folder */
function nodePackages(folder) {
  const lock = join(folder, 'package-lock.json');
  if (!existsSync(join(root, lock))) return;
  const listed = JSON.parse(readFileSync(join(root, lock), 'utf8')).packages;
  for (const [path, entry] of Object.entries(listed)) {
    if (path === '' || entry.link === true) continue;
    const manifest = join(root, folder, path, 'package.json');
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    // Of what is not there, since it is for another platform or another test, npm's lock has what its registry says.
    const found = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : entry;
    const scripts = ['preinstall', 'install', 'postinstall'].filter((at) => found.scripts?.[at] !== undefined);
    const built = scripts.length === 0 && entry.hasInstallScript === true ? ['when installed; not installed here'] : [];
    packages.push({
      name,
      version: String(entry.version),
      from: lock,
      licence: licenceOf(name, [found.license?.type ?? found.license, ...(found.licenses ?? []).map(typeOf)]),
      runs: [...scripts.map((at) => `${at}: ${String(found.scripts[at])}`), ...built],
    });
  }
}

/** @param {{ type?: string } | string} old */
function typeOf(old) {
  return typeof old === 'string' ? old : old.type;
}

/** @param {string} lock @param {string} venv */
function pythonPackages(lock, venv) {
  if (!existsSync(join(root, lock))) return;
  const lib = join(root, venv, 'lib');
  const site = existsSync(lib)
    ? readdirSync(lib)
        .map((name) => join(lib, name, 'site-packages'))
        .find((path) => existsSync(path))
    : undefined;
  const infos = new Map(
    (site === undefined ? [] : readdirSync(site))
      .filter((name) => name.endsWith('.dist-info'))
      .map((name) => [spelt(name.split('-')[0] ?? ''), join(site ?? '', name)]),
  );
  for (const pin of pinsOf(join(root, lock))) {
    const [name = '', version = ''] = pin.split('==');
    const info = infos.get(spelt(name));
    if (info === undefined) {
      missing.push(`${name} of ${lock}, in ${venv}`);
      continue;
    }
    const head = readFileSync(join(info, 'METADATA'), 'utf8').split(/\r?\n\r?\n/)[0] ?? '';
    const fields = /** @param {string} field */ (field) =>
      [...head.matchAll(new RegExp(`^${field}: (.*(?:\\r?\\n[ \\t].*)*)`, 'gm'))].map(([, value]) => value ?? '');
    const classified = fields('Classifier').flatMap(
      (line) => /^License :: (?:OSI Approved :: )?(.+)/.exec(line)?.[1] ?? [],
    );
    const files = fields('License-File')
      .flatMap((file) => [join(info, 'licenses', file), join(info, file)])
      .filter((path) => existsSync(path))
      .map((path) => readFileSync(path, 'utf8'));
    packages.push({
      name,
      version,
      from: lock,
      // The first is SPDX by its definition; the others may be anything.
      licence: fields('License-Expression')[0] ?? licenceOf(name, [...fields('License'), ...classified, ...files]),
      runs: startingOf(info),
    });
  }
}

/** Python runs the lines of a `.pth` file that begin with `import` at every start. @param {string} info */
function startingOf(info) {
  const record = join(info, 'RECORD');
  if (!existsSync(record)) return [];
  return readFileSync(record, 'utf8')
    .split('\n')
    .map((line) => line.split(',')[0] ?? '')
    .filter((path) => /^[^/]+\.pth$/.test(path))
    .filter((path) => {
      const file = join(dirname(info), path);
      return existsSync(file) && /^import\b/m.test(readFileSync(file, 'utf8'));
    })
    .map((path) => `at Python's start: ${path}`);
}

/**
 * What `licences.json` says of a package; a name there may end in `*`.
 * @template T @param {Record<string, T>} list @param {string} name
 */
function noted(list, name) {
  return Object.entries(list).find(([is]) => (is.endsWith('*') ? name.startsWith(is.slice(0, -1)) : is === name))?.[1];
}

/** A name as packages are compared. @param {string} name */
function spelt(name) {
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}

/** The first that says something. @param {string} name @param {unknown[]} said */
function licenceOf(name, said) {
  const looked = noted(known.packages, name)?.licence;
  if (looked !== undefined) return looked;
  for (const text of said) {
    const licence = typeof text === 'string' ? nameOf(text) : undefined;
    if (licence !== undefined) return licence;
  }
  return 'unknown';
}

function report() {
  /** @type {Map<string, Map<string, Package>>} */
  const byLicence = new Map();
  for (const each of packages) {
    const same = byLicence.get(each.licence) ?? new Map();
    byLicence.set(each.licence, same.set(`${each.name} ${each.version}`, each));
  }
  const rows = [...byLicence].sort(([a, x], [b, y]) => y.size - x.size || (a < b ? -1 : 1));
  const width = Math.max(...rows.map(([licence]) => licence.length));
  for (const [licence, same] of rows) say(`${licence.padEnd(width)}  ${String(same.size).padStart(4)}  ${some(same)}`);
  const is = /** @param {(each: Package) => boolean} which */ (which) => [...new Set(packages.filter(which).map(line))];
  const doubtful = is(({ licence }) => licence === 'unknown' || isCopyleft(licence));
  say(`\ncopyleft or unknown: ${doubtful.length}`, ...doubtful);
  const running = [
    ...new Set(packages.flatMap(({ name, version, runs }) => runs.map((each) => `${name} ${version}  ${each}`))),
  ];
  say(`\nrun something of their own when installed, or when Python starts: ${running.length}`, ...running);

  const refused = is(
    ({ name, licence }) => noted(known.packages, name) === undefined && !allowed(licence, known.allowed),
  );
  const unseen = is(({ name, runs }) => runs.length > 0 && noted(known.runs, name) === undefined);
  const stale = [known.packages, known.runs].flatMap((list) =>
    Object.keys(list).filter((is) => !packages.some(({ name }) => noted({ [is]: true }, name) === true)),
  );
  const faults = [
    ...refused.map((each) => `its licence is not in licences.json: ${each}`),
    ...unseen.map((each) => `what it runs is not in licences.json: ${each}`),
    ...(missing.length > 0 ? [] : stale.map((name) => `in licences.json, and in no lock: ${name}`)),
    ...missing.map((each) => `not installed: ${each}`),
  ];
  if (faults.length > 0)
    say('', ...faults.slice(0, 50), `${faults.length} to be looked at; "npm test" installs what is missing`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}

/** @param {Package} each */
function line({ name, version, licence, from }) {
  const why = noted(known.packages, name)?.why;
  return `${name} ${version}  ${licence}  (${from})${why === undefined ? '' : `: ${why}`}`;
}

/** @param {Map<string, Package>} same */
function some(same) {
  const names = [...new Set([...same.values()].map(({ name }) => name))];
  return names.length <= 6 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}

/** @param {string[]} lines */
function say(...lines) {
  process.stdout.write(`${lines.join('\n')}\n`);
}
