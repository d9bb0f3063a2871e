/** The redactor on texts and values: whatever spells a match is marked, and what does not match is left as it is. */
import { describe, expect, it } from 'vitest';

import { MARK, type Redactor, redactorOf } from '../../../src/core/text/redact.js';

function redactor(...patterns: readonly string[]): Redactor {
  const made = redactorOf(patterns);
  if (made === undefined) throw new Error('no patterns');
  return made;
}
const SECRET = 'https://x.org/ünï🧀?k="a\\b"';
const hides = redactor('https://x\\.org/ünï🧀\\?k="a\\\\b"');

/** Every character of a JSON string escaped by its number. */
const numbered = (json: string): string => json.replace(/[^"]/gu, escaped);
const escaped = (char: string): string =>
  Array.from({ length: char.length }, (_, at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`).join('');

describe('a match is marked in the text that spells it', () => {
  it.each([
    ['as it is', SECRET, MARK],
    ['in JSON', JSON.stringify({ to: SECRET }), `{"to":"${MARK}"}`],
    ['in JSON that escapes its slashes', JSON.stringify([SECRET]).replaceAll('/', '\\/'), `["${MARK}"]`],
    ['in JSON that escapes all', `{"to": "${numbered('https://x.org/ünï🧀?k=')}\\"a\\\\b\\""}`, `{"to": "${MARK}"}`],
    ['in JSON in JSON', JSON.stringify({ a: JSON.stringify([SECRET]) }), `{"a":"[\\"${MARK}\\"]"}`],
    [
      'in JSON in JSON in JSON',
      JSON.stringify(JSON.stringify({ a: JSON.stringify([SECRET]) })),
      JSON.stringify(JSON.stringify({ a: JSON.stringify([MARK]) })),
    ],
    ['as the name of a field', JSON.stringify({ [SECRET]: 1 }), `{"${MARK}":1}`],
    ['in JSON that is cut off', JSON.stringify({ to: SECRET }).slice(0, -2), `{"to":"${MARK}`],
    ['in JSON that is quoted', `Send ${JSON.stringify([SECRET])} now`, `Send ["${MARK}"] now`],
    ['in lines of JSON', `{"a":1}\n${JSON.stringify([SECRET])}\n`, `{"a":1}\n["${MARK}"]\n`],
    ['in a field that is named twice', `{"a":${JSON.stringify(SECRET)},"a":2}`, `{"a":"${MARK}","a":2}`],
  ])('%s', (_where, said, clean) => {
    expect(hides.text(said)).toBe(clean);
  });

  it('as a number of JSON, whichever way it is written, and the rest stays JSON', () => {
    const card = redactor('^4\\d{15}$', '^-7$');
    expect(card.text('{"card":4111111111111111}')).toBe(`{"card":"${MARK}"}`);
    expect(card.text('[4.111111111111111e15, -7, 7]')).toBe(`["${MARK}", "${MARK}", 7]`);
    expect(card.text('"4111111111111111"')).toBe(`"${MARK}"`);
    expect(card.value({ card: 4_111_111_111_111_111, n: [7, -7] })).toEqual({ card: MARK, n: [7, MARK] });
  });

  it('with the whole of an escape that it begins or ends in', () => {
    expect(redactor('nora').text('{"a":"\\nora"}')).toBe(`{"a":"${MARK}"}`);
    expect(redactor('x{0,2}41').text('["\\u0041"]')).toBe(`["${MARK}"]`);
    expect(redactor('nora').text(JSON.stringify(JSON.stringify(['\nora'])))).toBe(
      JSON.stringify(JSON.stringify([MARK])),
    );
  });

  it('all of it, where only another spelling of the same JSON shows the match', () => {
    const password = redactor('"password": ?"[^"]*"');
    expect(password.text('{"user":"ann","password" : "hunter2"}')).toBe(MARK);
    expect(password.text('{"user":"ann","password":"hunter2"}')).toBe(`{"user":"ann","${MARK}":"${MARK}"}`);
    expect(password.text('{"user":"ann"}')).toBe('{"user":"ann"}');
  });

  it('all of it, where only what is left of it is JSON, and shows the match in another spelling', () => {
    const made = redactor('\t', '"password":"[^"]*"');
    expect(made.text('{"password" : "hunter2", "k": "a\tb"}')).toBe(MARK);
    expect(made.text('{"user" : "ann", "k": "a\tb"}')).toBe(`{"user" : "ann", "k": "a${MARK}b"}`);
  });

  it('all of it, where it is one number, whichever way it is written', () => {
    const card = redactor('\\b\\d{16}\\b');
    expect(card.text('4.111111111111111e15')).toBe(MARK);
    expect(card.text(' 4111111111111111.0\n')).toBe(MARK);
    expect(card.text('4.2e3')).toBe('4.2e3');
  });

  it('all of it, where it is escaped too often to be looked into', () => {
    expect(hides.text(`\\${'u005c'.repeat(40)}u0061`)).toBe(MARK);
    expect(hides.text('\\'.repeat(1000))).toBe('\\'.repeat(1000));
  });

  it('once for matches that overlap, each for those that touch', () => {
    expect(redactor('ann@x', 'x\\.org').text('to ann@x.org!')).toBe(`to ${MARK}!`);
    expect(redactor('ann', 'bob').text('annbob')).toBe(`${MARK}${MARK}`);
  });

  it('though patterns match nothing, or the mark itself', () => {
    expect(redactor('z*').text('a🧀b')).toBe('a🧀b');
    expect(redactor('\\w+').text('["a b"]')).toBe(`["${MARK} ${MARK}"]`);
  });
});

describe('JSON stays JSON, and what did not match stays as it was written', () => {
  const made = redactor('4242', '^true$', '"password":\\s*"[^"]*"', '"from":\\s*1,\\s*"to"');
  it.each([
    ['a number', '{"id":12345678901234567890, "pin": 4242}', `{"id":12345678901234567890, "pin": "${MARK}"}`],
    ['a number in part', '[-42420e-1,1.50]', `["${MARK}",1.50]`],
    ['a name that is there twice', '{"a":1,"a":2.0,"b":4242}', `{"a":1,"a":2.0,"b":"${MARK}"}`],
    ['a literal', '{"a": true, "b": false, "c": null}', `{"a": "${MARK}", "b": false, "c": null}`],
    ['a field', '{"n":1e3, "n":1,"password":"x"}', `{"n":1e3, "n":1,"${MARK}":"${MARK}"}`],
    ['several fields', '{"x":"\\u0061","from":1, "to":2,"y":[ ]}', `{"x":"\\u0061","${MARK}":"${MARK}","y":[ ]}`],
    [
      'in JSON in JSON',
      String.raw`{"q":1.0,"in":"{\"id\":12345678901234567890, \"\u0061\":[4242,true]}"}`,
      String.raw`{"q":1.0,"in":"{\"id\":12345678901234567890, \"\u0061\":[\"${MARK}\",\"${MARK}\"]}"}`,
    ],
    [
      'a field in JSON in JSON',
      JSON.stringify([JSON.stringify({ password: 'x', a: '\n' })]),
      JSON.stringify([`{"${MARK}":"${MARK}","a":"\\n"}`]),
    ],
    ['deep in lists', `${'['.repeat(900)}4242${']'.repeat(900)}`, `${'['.repeat(900)}"${MARK}"${']'.repeat(900)}`],
  ])('%s', (_what, text, clean) => {
    expect(made.text(text)).toBe(clean);
  });

  it('where all that holds a match is its punctuation, the smallest value around it goes', () => {
    expect(redactor('\\{"a"').text('[1.0,{"a":1},{"b":2}]')).toBe(`[1.0,"${MARK}",{"b":2}]`);
    expect(redactor('2\\]').text('[[1,2],{"b":2}]')).toBe(`["${MARK}",{"b":2}]`);
    expect(redactor('; ').text('{"a":"x; y"}')).toBe(`{"a":"x${MARK}y"}`);
    expect(redactor(',  ').text('{"a":[1,  2],"b":"c"}')).toBe(`{"a":"${MARK}","b":"c"}`);
  });

  it('also in one of several parts', () => {
    const [first, second] = ['see', '{"id":12345678901234567890,"pin":4242}'];
    const content = [first, second].map((text) => ({ type: 'text', text }));
    expect(made.message({ role: 'user', content }).content).toEqual([
      content[0],
      { type: 'text', text: `{"id":12345678901234567890,"pin":"${MARK}"}` },
    ]);
  });
});

describe('a value is held against the patterns as the JSON it will be written as', () => {
  it.each(['"password":\\s*"[^"]*"', '"password":"[^"]*"', '"password": "[^"]*"'])('%s', (pattern) => {
    const made = redactor(pattern);
    expect(made.value({ user: 'ann', password: 'hunter2' })).toEqual({ user: 'ann', [MARK]: MARK });
    const properties = { login: { examples: [{ password: 'hunter2' }] } };
    expect(made.tools([{ name: 'f', parameters: { type: 'object', properties } }])).toEqual([
      { name: 'f', parameters: { type: 'object', properties: { login: { examples: [{ [MARK]: MARK }] } } } },
    ]);
    const clean = { user: 'ann', list: [1, { a: true }] };
    expect(made.value(clean)).toBe(clean);
  });

  it('and stays an object or a list, whatever matches', () => {
    expect(redactor('\\{.*\\}').value({ a: 1 })).toEqual({ [MARK]: MARK });
    expect(redactor('\\[.*\\]').value([1, 2])).toEqual([MARK]);
  });
});

it('the sampling of a step keeps no number that matches', () => {
  const made = redactor('\\b\\d{16}\\b', 'secret');
  const sampling = {
    temperature: 0.7,
    seed: 4_111_111_111_111_111,
    logit_bias: { secret: 1, '7': 2 },
    stop: ['secret'],
  };
  expect(made.sampling(sampling)).toEqual({ temperature: 0.7, seed: undefined, logit_bias: { '7': 2 }, stop: [MARK] });
  const plain = { temperature: 0.7, seed: 7, logit_bias: { '7': 2 }, stop: 'x' };
  expect(made.sampling(plain)).toBe(plain);
  expect(redactor('"seed":\\s*7').sampling(plain)).toEqual({});
});

it('mail addresses and keys are marked in prose, JSON, parts and values, and a whole text by its anchors', () => {
  const made = redactor('sk-live-\\d+', '[\\w.]+@[\\w.]+\\.\\w+', 'Z*', '^whole$');
  expect(made.text('two sk-live-4815, a.b@c.org')).toBe(`two ${MARK}, ${MARK}`);
  expect(made.text('whole')).toBe(MARK);
  expect(made.text('not the whole')).toBe('not the whole');
  const inner = JSON.stringify(JSON.stringify({ mail: 'a@b.org', quote: '"' }));
  const json = `{"key": "\\u0073k-live-48\\u00315", "list": ["line\\none"], "inner": ${inner}}`;
  expect(JSON.parse(made.text(json))).toEqual({
    key: MARK,
    list: ['line\none'],
    inner: JSON.stringify({ mail: MARK, quote: '"' }),
  });
  expect(made.text('[ not JSON \\ sk-live-4815')).toBe(`[ not JSON \\ ${MARK}`);
  const deep = `${'['.repeat(300)}"\\u0073k-live-1"${']'.repeat(300)}`;
  expect(made.text(deep)).toBe(`${'['.repeat(300)}"${MARK}"${']'.repeat(300)}`);
  const parts = [
    { type: 'file', file: { name: 'a@b.org' } },
    { type: 'text', text: 'sk-live-4815' },
  ];
  expect(made.message({ role: 'user', content: parts }).content).toEqual([
    { type: 'file', file: { name: MARK } },
    { type: 'text', text: MARK },
  ]);
  expect(made.value({ 'a@b.org': 1, n: 7, none: null })).toEqual({ [MARK]: 1, n: 7, none: null });
});

it('a text too much for a pattern goes whole: nothing of it is kept rather than what it should have hidden', () => {
  const text = `${'a'.repeat(10_000_000)} sk-live-1`;
  expect(() => text.replace(/^(a|b)*?c/u, '')).toThrow(RangeError);
  expect(redactor('^(a|b)*?c', 'sk-live').text(text)).toBe(MARK);
});

it('in random JSON, spelled at random, no reading shows the secret and all else stays', () => {
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const spell = (text: string): string =>
    JSON.stringify(text).replace(/[^"\\]|\\(?:u....|.)/g, (char) =>
      char.length === 1 && random(3) === 0 ? escaped(char) : char === '/' && random(2) === 0 ? '\\/' : char,
    );
  const write = (value: unknown): string => {
    const space = ' '.repeat(random(2));
    if (typeof value === 'string') return spell(value);
    if (Array.isArray(value)) return `[${space}${value.map(write).join(`,${space}`)}]`;
    if (typeof value !== 'object' || value === null) return JSON.stringify(value);
    const fields = Object.entries(value).map(([name, field]) => `${spell(name)}:${space}${write(field)}`);
    return `{${fields.join(`,${space}`)}}`;
  };
  const plain = ['', 'a', '"', '\\', 'C:\\new\n', '🧀', 'x\u2028y', 'secret', 'ret-7'];
  const make = (depth: number): unknown => {
    const kind = random(depth > 3 ? 2 : 6);
    if (kind === 0) return `${plain[random(plain.length)] ?? ''}sec/ret-7${plain[random(plain.length)] ?? ''}`;
    if (kind === 1) return plain[random(plain.length)];
    if (kind === 2) return write(make(depth + 1));
    if (kind === 3) return { [`k${random(9)}sec/ret-7`]: make(depth + 1) };
    return Array.from({ length: random(4) }, () => make(depth + 1));
  };
  const made = redactor('sec/ret-\\d');
  const expected = (value: unknown): unknown => made.value(value);
  for (let round = 0; round < 500; round += 1) {
    const value = [make(0)];
    const clean = made.text(write(value));
    expect(JSON.parse(clean)).toEqual(expected(value));
    for (let [read, before] = [clean, '']; read !== before;) {
      expect(read).not.toContain('sec/ret-7');
      before = read;
      read = read.replace(/\\(?:u([0-9a-f]{4})|(.))/gi, (_, code: string | undefined, char: string) =>
        code === undefined ? char : String.fromCharCode(Number.parseInt(code, 16)),
      );
    }
  }
});

describe('parts of a message are one text', () => {
  const part = (text: string): { readonly type: string; readonly text: string } => ({ type: 'text', text });
  const user = (...content: { readonly type: string; readonly [field: string]: unknown }[]) =>
    ({ role: 'user', content }) as const;

  it('over two, over three, and around what is no text', () => {
    const made = redactor('ann@x\\.org');
    expect(made.message(user(part('to an'), part('n@x.org!'))).content).toEqual([part(`to ${MARK}`), part('!')]);
    expect(made.message(user(part('a'), part('nn@'), part('x.org'))).content).toEqual([part(MARK), part(''), part('')]);
    const image = { type: 'image_url', image_url: { url: 'data:x' } };
    expect(made.message(user(part('ann@'), image, part('x.org'))).content).toEqual([part(MARK), image, part('')]);
  });

  it('and each is one of its own, for patterns that mean a whole text', () => {
    const content = [part('secret'), part('x')];
    expect(redactor('^secret$').message(user(...content)).content).toEqual([part(MARK), part('x')]);
    expect(redactor('^secretx$').message(user(...content)).content).toEqual([part(MARK), part('')]);
  });

  it('in time that grows with their number alone', () => {
    const content = Array.from({ length: 30_000 }, () => part('ann bob'));
    const before = performance.now();
    expect(
      redactor('ann')
        .message(user(...content))
        .content.at(-1),
    ).toEqual(part(`${MARK} bob`));
    expect(performance.now() - before).toBeLessThan(2_000);
  });

  it('in halves of a character or an escape', () => {
    expect(redactor('🧀').message(user(part('a\ud83e'), part('\uddc0'))).content).toEqual([part(`a${MARK}`), part('')]);
    expect(redactor('ann').message(user(part('["\\u00'), part('61nn"]'))).content).toEqual([
      part(`["${MARK}`),
      part('"]'),
    ]);
  });
});

it('what does not match comes back as the very same object', () => {
  const made = redactor('sk-live-\\d+');
  const value = { a: ['{"b":"\\u0061"}', 1.5e300, null, true], 'c/d': '\\/' };
  expect(made.value(value)).toBe(value);
  for (const text of ['{"b" : "\\u0061",  "b": 1e3}', '[', '"\\', '{"a":-}', '\ud83e', '[1, 2.50]'])
    expect(made.text(text)).toBe(text);
  const content = [{ type: 'text', text: '{"a":' }, { type: 'image_url' }, { type: 'text', text: '"\\n"}' }];
  const message = { role: 'user', content } as const;
  expect(made.message(message)).toBe(message);
  const tools = [{ name: 'f', description: 'does', parameters: { type: 'object', maximum: 9 } }];
  expect(made.tools(tools)).toBe(tools);
});
