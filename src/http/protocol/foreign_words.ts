/** The words in what tools of other hosts gave, whichever protocol's shape they have. */

/** Where words stand in a result, in the order they are read. */
const FIELDS = [
  'title',
  'filename',
  'url',
  'text',
  'snippet',
  'content',
  'source',
  'data',
  'logs',
  'stdout',
  'stderr',
  'message',
];

/** What is nested deeper says nothing to a reader. */
const MAX_DEPTH = 16;

/** None of pictures and of other data that is no text. */
export function wordsIn(value: unknown, depth = 0): readonly string[] {
  if (typeof value === 'string') return value === '' || value.startsWith('data:') ? [] : [value];
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return [];
  if (Array.isArray(value)) return value.flatMap((item) => wordsIn(item, depth + 1));
  const fields = value as Readonly<Record<string, unknown>>;
  if (String(fields['type']).includes('image')) return [];
  const binary = typeof fields['media_type'] === 'string' && fields['media_type'] !== 'text/plain';
  return FIELDS.flatMap((name) => (binary && name === 'data' ? [] : wordsIn(fields[name], depth + 1)));
}
