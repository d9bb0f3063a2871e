/**
 * The model that a request names which is passed on unread: the field of a JSON object, or the part of a form. It must
 * be certain, since by it the request gets an upstream's key: of two models the upstream might take the other.
 */
import { badRequest, quoted } from '../../core/errors.js';
import { endOfString, jsonOf } from '../wire/body.js';

export function isForm(type: string): boolean {
  return type.toLowerCase().split(';', 1)[0]?.trim() === 'multipart/form-data';
}

/** Undefined where there is none. Throws 400 on what is neither, and on a model that is no text or stands twice. */
export function modelOf(type: string, body: Buffer): string | undefined {
  // As on the other routes, whatever is no form is read as JSON.
  const models = isForm(type) ? partsOf(type, body) : fieldsOf(body);
  if (models.length > 1)
    throw badRequest(`"model" stands ${models.length} times; name one.`, 'model', 'duplicate_parameter');
  const [model] = models;
  if (model === undefined || model === null || model === '') return undefined;
  if (typeof model !== 'string')
    throw badRequest(`"model" must be a text, not ${quoted(model)}.`, 'model', 'invalid_type');
  return model;
}

function fieldsOf(bytes: Buffer): readonly unknown[] {
  const body = jsonOf(bytes);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw badRequest(`The body must be a JSON object, not ${quoted(body)}.`, undefined, 'invalid_type');
  const model = 'model' in body ? [body.model] : [];
  // Of a field that stands twice a parser keeps one; some take another case for the same field.
  const times = namesOf(bytes).filter((name) => name.toLowerCase() === 'model').length;
  return times > 1 ? new Array<unknown>(times).fill(model[0]) : model;
}

/** The longest way to write "model": each letter as an escape. */
const LONGEST = '"\\u006d"'.length * 'model'.length;

/** The shorter names of a JSON object's own fields, each as often as it stands. */
function namesOf(bytes: Buffer): readonly string[] {
  const names: string[] = [];
  let depth = 0;
  let isName = false;
  for (let at = 0; at < bytes.length; at += 1) {
    switch (bytes[at]) {
      case 0x22: {
        const end = endOfString(bytes, at);
        if (isName && end - at <= LONGEST) names.push(JSON.parse(bytes.toString('utf8', at, end + 1)) as string);
        isName = false;
        at = end;
        break;
      }
      case 0x7b: // {
        depth += 1;
        isName = depth === 1;
        break;
      case 0x5b: // [
        depth += 1;
        isName = false;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
      case 0x2c: // ,
        isName = depth === 1;
        break;
      default:
    }
  }
  return names;
}

/** The parts "model" of a form, found between its boundaries: the others may be large, and are not read. */
function partsOf(type: string, body: Buffer): readonly string[] {
  const [, plain, inQuotes] = /;\s*boundary=(?:([^\s;"]+)|"([^"]+)")/i.exec(type) ?? [];
  const boundary = `--${plain ?? inQuotes ?? ''}`;
  let at = boundary === '--' ? -1 : body.indexOf(boundary);
  if (at === -1)
    throw badRequest(
      'The body is no form: the boundary that the header content-type names is not in it. ' +
        'Let your HTTP library write that header.',
      undefined,
      'invalid_form',
    );
  const parts: string[] = [];
  while (at !== -1) {
    const head = at + boundary.length;
    const headEnd = body.indexOf('\r\n\r\n', head);
    const next = body.indexOf(`\r\n${boundary}`, head);
    if (headEnd !== -1 && headEnd < next && IS_MODEL.test(body.toString('latin1', head, headEnd)))
      parts.push(body.toString('utf8', headEnd + 4, next).trim());
    at = next === -1 ? -1 : next + 2;
  }
  return parts;
}

const IS_MODEL = /^content-disposition:[^\r\n]*;\s*name=(?:"model"|model(?=[\s;]|$))/im;
