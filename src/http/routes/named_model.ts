/**
 * The model that a request names which is passed on unread: the field of a JSON object, or the part of a form. It must
 * be certain, since by it the request gets an upstream's key: of two models the upstream might take the other.
 */
import { badRequest, quoted } from '../../core/errors.js';
import { jsonAndNames } from '../wire/body.js';

export function isForm(type: string): boolean {
  return type.toLowerCase().split(';', 1)[0]?.trim() === 'multipart/form-data';
}

/** Undefined where there is none. Throws 400 on what is neither, and on a model that is no text or stands twice. */
export async function modelOf(type: string, body: Buffer): Promise<string | undefined> {
  // As on the other routes, whatever is no form is read as JSON.
  const models = isForm(type) ? partsOf(type, body) : await fieldsOf(body);
  if (models.length > 1)
    throw badRequest(`"model" stands ${models.length} times; name one.`, 'model', 'duplicate_parameter');
  const [model] = models;
  if (model === undefined || model === null || model === '') return undefined;
  if (typeof model !== 'string')
    throw badRequest(`"model" must be a text, not ${quoted(model)}.`, 'model', 'invalid_type');
  return model;
}

async function fieldsOf(bytes: Buffer): Promise<readonly unknown[]> {
  let times = 0;
  // Of a field that stands twice a parser keeps one; some take another case for the same field.
  const body = await jsonAndNames(bytes, (from, to) => {
    if (isModelName(bytes.subarray(from, to))) times += 1;
  });
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw badRequest(`The body must be a JSON object, not ${quoted(body)}.`, undefined, 'invalid_type');
  const model = 'model' in body ? [body.model] : [];
  return times > 1 ? new Array<unknown>(times).fill(model[0]) : model;
}

/** The longest way to write "model": each letter as an escape. */
const LONGEST = '"\\u006d"'.length * 'model'.length;

/** Whether these bytes are the name "model", in whatever case and however its letters are written. */
function isModelName(bytes: Buffer): boolean {
  const json = bytes.toString('utf8').trim();
  return json.startsWith('"') && json.length <= LONGEST && String(JSON.parse(json)).toLowerCase() === 'model';
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
