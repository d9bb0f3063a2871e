/** What the header `x-gyre-train` says: whether a request may be learned from. It withholds consent, and lends none. */
import { badRequest, quoted } from '../../core/errors.js';

const SAYS: ReadonlyMap<string, boolean> = new Map([
  ...['yes', 'true', '1', 'on'].map((word) => [word, true] as const),
  ...['no', 'false', '0', 'off'].map((word) => [word, false] as const),
]);

/** True where nothing is said. Throws 400 for what is neither yes nor no: a wish must not be missed. */
export function consents(header: string | undefined): boolean {
  if (header === undefined) return true;
  const says = SAYS.get(header.trim().toLowerCase());
  if (says !== undefined) return says;
  throw badRequest(
    `The header "x-gyre-train" is ${quoted(header)}. It must be no, false, 0 or off to keep the request out of ` +
      'training, or yes, true, 1 or on.',
    'x-gyre-train',
  );
}
