/** What an operator and a client notice of a log's size, on the real programs and the log's own functions. */
export async function* measure(
  _data: string,
  _options: { readonly verify: boolean; readonly note: (text: string) => void },
): AsyncGenerator<{ readonly what: string; readonly value: string }> {
  await Promise.resolve();
  yield { what: 'x', value: '' };
}
