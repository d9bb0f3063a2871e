/**
 * What a server says beside its text, read for protocols that have forms of their own for some of it: what it cites,
 * and pictures. Whatever has no form there is named to the client, once.
 */
import type { Beside } from '../../core/policy.js';
import { isObject } from '../../core/text/json.js';

/** A source of a text. The places are in the text of the action; undefined where its server names none. */
export interface Cited {
  readonly url: string;
  readonly title: string;
  /** What the source says, where that is told. */
  readonly words: string;
  readonly start: number | undefined;
  readonly end: number | undefined;
}

export interface BesideText {
  readonly cited: readonly Cited[];
  /** Pictures, in base64. */
  readonly images: readonly string[];
  /** Names of what is neither. */
  readonly others: readonly string[];
}

/** The lists a source may be in; of two that name one source the first says more of it. */
const SOURCES = ['annotations', 'search_results', 'citations'];

export function besideText(fields: Beside): BesideText {
  const cited: Cited[] = [];
  const images: string[] = [];
  const others = new Set<string>();
  for (const name of SOURCES) {
    for (const item of listOf(fields[name])) {
      const source = citedIn(item);
      if (source === undefined) others.add(name);
      else if (source.start !== undefined || !cited.some(({ url }) => url === source.url)) cited.push(source);
    }
  }
  for (const [name, value] of Object.entries(fields)) {
    if (SOURCES.includes(name)) continue;
    if (name !== 'images') others.add(name);
    else {
      for (const item of listOf(value)) {
        const image = base64In(item);
        if (image === undefined) others.add(name);
        else images.push(image);
      }
    }
  }
  return { cited, images, others: [...others] };
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textIn = (value: unknown): string => (typeof value === 'string' ? value : '');
const placeIn = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) ? Math.max(0, value) : undefined;

/** Chat Completions has the fields of a citation inside, Responses beside its type; some lists have addresses alone. */
function citedIn(item: unknown): Cited | undefined {
  if (typeof item === 'string')
    return /^https?:/.test(item) ? { url: item, title: '', words: '', start: undefined, end: undefined } : undefined;
  if (!isObject(item)) return undefined;
  const inner = isObject(item['url_citation']) ? item['url_citation'] : item;
  if (typeof inner['url'] !== 'string') return undefined;
  return {
    url: inner['url'],
    title: textIn(inner['title']),
    words: textIn(inner['snippet'] ?? inner['cited_text'] ?? inner['content']),
    start: placeIn(inner['start_index']),
    end: placeIn(inner['end_index']),
  };
}

/** An address elsewhere is no picture: its client may not reach it. */
function base64In(item: unknown): string | undefined {
  if (!isObject(item)) return undefined;
  const { image_url: image, source, b64_json: plain } = item;
  if (typeof plain === 'string') return plain;
  if (isObject(source) && typeof source['data'] === 'string') return source['data'];
  const url = isObject(image) ? image['url'] : image;
  return /^data:image\/[\w.+-]+;base64,(.+)$/s.exec(textIn(url))?.[1];
}

const HEADER = 'x-gyre-left-out';

/** The header that says once what of an answer its protocol has no form for; none where it is all there. */
export function besideHeader(names: ReadonlySet<string>): Readonly<Record<string, string>> {
  const safe = [...names].filter((name) => /^[\w.-]{1,64}$/.test(name));
  return safe.length === 0 ? {} : { [HEADER]: safe.join(', ') };
}
